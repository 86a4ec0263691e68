"""LAMB."""

from typing import Any

from gradtx._core.selection import Where
from gradtx._core.transformation import chain, transformation
from gradtx._core.types import Decay, LearningRate, NonNegative, Positive
from gradtx._moments.bias_correction import bias_correction
from gradtx._moments.ema import ema
from gradtx._moments.stored import stored
from gradtx._storage.codec import Codec
from gradtx._transforms.add_decayed_weights import add_decayed_weights
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_momentum import scale_by_momentum
from gradtx._transforms.scale_by_rms import scale_by_rms
from gradtx._transforms.scale_by_trust_ratio import scale_by_trust_ratio


@transformation
def lamb(
    learning_rate: LearningRate,
    b1: Decay = 0.9,
    b2: Decay = 0.999,
    eps: Positive = 1e-6,
    weight_decay: NonNegative = 0.01,
    where: Where = None,
    storage: Codec | None = None,
) -> Any:
    """AdamW with steps as large as the weights of their layer: θ ← θ − η ‖θ‖ / ‖r‖ r, r = m̂ / (√v̂ + eps) + λ θ.

    For very large batches. `where` chooses the leaves that decay; all are scaled, in the authors' code for BERT those alone that
    decay. A layer moves by the share η of its norm at every step, whatever its gradient, so the learning rate has to fall; where a
    norm is 0 by η r. (You et al. 2019, algorithm 2, with φ(z) = z.)
    """
    return chain(
        scale_by_momentum(bias_correction(stored(ema(b1), storage))),
        scale_by_rms(bias_correction(stored(ema(b2), storage)), eps),
        add_decayed_weights(weight_decay, where),
        scale_by_trust_ratio(),
        scale_by_learning_rate(learning_rate),
    )
