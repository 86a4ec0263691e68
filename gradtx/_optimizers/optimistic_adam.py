"""Optimistic Adam."""

from typing import Any

from gradtx._core.transformation import chain, transformation
from gradtx._core.types import Decay, LearningRate, NonNegative, Positive
from gradtx._moments.bias_correction import bias_correction
from gradtx._moments.ema import ema
from gradtx._moments.stored import stored
from gradtx._storage.codec import Codec
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_momentum import scale_by_momentum
from gradtx._transforms.scale_by_optimistic_gradient import scale_by_optimistic_gradient
from gradtx._transforms.scale_by_rms import scale_by_rms


@transformation
def optimistic_adam(
    learning_rate: LearningRate,
    alpha: NonNegative = 1.0,
    beta: NonNegative = 1.0,
    b1: Decay = 0.9,
    b2: Decay = 0.999,
    eps: Positive = 1e-8,
    storage: Codec | None = None,
) -> Any:
    """Adam that looks ahead: θ ← θ − η ((α + β) u − β u_before), u = m̂ / (√v̂ + eps), with u_before = u at the first step.

    For adversarial training, where Adam circles. (Daskalakis et al. 2017, algorithm 1, with α = β = 1.)
    """
    return chain(
        scale_by_momentum(bias_correction(stored(ema(b1), storage))),
        scale_by_rms(bias_correction(stored(ema(b2), storage)), eps),
        scale_by_optimistic_gradient(alpha, beta),
        scale_by_learning_rate(learning_rate),
    )
