"""AdEMAMix in its simplified form."""

from typing import Any

from gradtx._core.selection import Where
from gradtx._core.transformation import chain, identity, transformation
from gradtx._core.types import Decay, LearningRate, NonNegative, Positive
from gradtx._moments.bias_correction import bias_correction
from gradtx._moments.ema import ema
from gradtx._moments.mixed_average import mixed_average
from gradtx._moments.stored import stored
from gradtx._moments.trace import trace
from gradtx._storage.codec import Codec
from gradtx._transforms.add_decayed_weights import add_decayed_weights
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_momentum import scale_by_momentum
from gradtx._transforms.scale_by_rms import scale_by_rms


@transformation
def simplified_ademamix(
    learning_rate: LearningRate,
    b1: Decay = 0.99,
    b2: Decay = 0.95,
    alpha: NonNegative = 0.0,
    eps: Positive = 1e-8,
    weight_decay: NonNegative = 0.0,
    where: Where = None,
    storage: Codec | None = None,
) -> Any:
    """One slow trace and the gradient itself: θ ← θ − η ((m + α g) / (√v̂ + eps) + λ θ), m ← b1 m + g.

    m is a sum, not an average: at b1 = 0.99 it is 100 times as large, so take a learning rate that much smaller than
    AdamW's. α weighs the present gradient more, for small batches. `where` chooses the leaves that decay. (Morwani et al.
    2025, algorithm 2, with v corrected as in the authors' code.)
    """
    return chain(
        scale_by_momentum(mixed_average(stored(trace(b1), storage), identity(), alpha)),
        scale_by_rms(bias_correction(stored(ema(b2), storage)), eps),
        add_decayed_weights(weight_decay, where),
        scale_by_learning_rate(learning_rate),
    )
