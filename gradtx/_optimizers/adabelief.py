"""AdaBelief."""

from typing import Any

from gradtx._core.transformation import chain, transformation
from gradtx._core.types import Decay, LearningRate, NonNegative, Positive
from gradtx._moments.belief_average import belief_average
from gradtx._moments.bias_correction import bias_correction
from gradtx._moments.ema import ema
from gradtx._moments.stored import stored
from gradtx._storage.codec import Codec
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_momentum import scale_by_momentum
from gradtx._transforms.scale_by_rms import scale_by_rms


@transformation
def adabelief(
    learning_rate: LearningRate,
    b1: Decay = 0.9,
    b2: Decay = 0.999,
    eps: Positive = 1e-16,
    eps_moment: NonNegative = 1e-16,
    storage: Codec | None = None,
) -> Any:
    """Adam that divides by the gradient's deviation from its average: θ ← θ − η m̂ / (√ŝ + eps), s ← b2 s + (1 − b2)(g − m)² + eps_moment.

    Large steps where the gradient is as predicted, small ones where it surprises; m is the uncorrected average.
    (Zhuang et al. 2020, algorithm 2.)
    """
    return chain(
        scale_by_momentum(bias_correction(stored(ema(b1), storage))),
        scale_by_rms(stored(belief_average(b2, eps_moment), storage), eps, of="deviation"),
        scale_by_learning_rate(learning_rate),
    )
