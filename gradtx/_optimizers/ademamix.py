"""AdEMAMix."""

from typing import Any

from gradtx._core.selection import Where
from gradtx._core.transformation import chain, transformation
from gradtx._core.types import Decay, LearningRate, NonNegative, Positive
from gradtx._moments.bias_correction import bias_correction
from gradtx._moments.ema import ema
from gradtx._moments.mixed_average import mixed_average
from gradtx._moments.stored import stored
from gradtx._storage.codec import Codec
from gradtx._transforms.add_decayed_weights import add_decayed_weights
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_momentum import scale_by_momentum
from gradtx._transforms.scale_by_rms import scale_by_rms


@transformation
def ademamix(
    learning_rate: LearningRate,
    b1: Decay = 0.9,
    b2: Decay = 0.999,
    b3: Decay = 0.9999,
    alpha: NonNegative = 5.0,
    eps: Positive = 1e-8,
    weight_decay: NonNegative = 0.0,
    where: Where = None,
    storage: Codec | None = None,
) -> Any:
    """AdamW with a second, slow average of the gradient: θ ← θ − η ((m̂ + α s) / (√v̂ + eps) + λ θ), s ← b3 s + (1 − b3) g.

    s reaches back ten thousand steps and is not corrected for starting at zero. Over long runs warm both up, for T steps in
    all: `alpha=shifted_schedule(linear_schedule(0, 5, T), 1)`, `b3=shifted_schedule(half_life_schedule(0.9, 0.9999, T), 1)`;
    without that the start may be unstable. `where` chooses the leaves that decay. (Pagliardini et al. 2024, algorithm 1.)
    """
    return chain(
        scale_by_momentum(mixed_average(bias_correction(stored(ema(b1), storage)), stored(ema(b3), storage), alpha)),
        scale_by_rms(bias_correction(stored(ema(b2), storage)), eps),
        add_decayed_weights(weight_decay, where),
        scale_by_learning_rate(learning_rate),
    )
