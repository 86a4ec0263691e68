"""Adam with Nesterov momentum."""

from typing import Any

from gradtx._core.transformation import chain, transformation
from gradtx._core.types import Decay, LearningRate, NonNegative, Positive
from gradtx._moments.bias_correction import bias_correction
from gradtx._moments.dozat_average import dozat_average
from gradtx._moments.ema import ema
from gradtx._moments.stored import stored
from gradtx._schedules.joining import shifted_schedule
from gradtx._schedules.nadam_momentum_schedule import nadam_momentum_schedule
from gradtx._storage.codec import Codec
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_momentum import scale_by_momentum
from gradtx._transforms.scale_by_rms import scale_by_rms


@transformation
def nadam(
    learning_rate: LearningRate,
    b1: Decay = 0.9,
    b2: Decay = 0.999,
    eps: Positive = 1e-8,
    momentum_decay: NonNegative = 0.004,
    storage: Codec | None = None,
) -> Any:
    """Adam that looks ahead: θ ← θ − η m̄ / (√v̂ + eps), m̄ = μₜ₊₁ m / (1 − Πᵗ⁺¹μ) + (1 − μₜ) g / (1 − Πᵗμ).

    The look-ahead momentum μₜ = b1 (1 − 0.96^(t ψ) / 2) warms up with ψ = `momentum_decay`, as in the paper; m decays with
    b1 itself, as in PyTorch and Keras, where the paper has μₜ. Optax's nadam keeps μ constant:
    `scale_by_momentum(dozat_average(b1, b1, b1))` in this chain. (Dozat 2016, algorithm 2.)
    """
    momentum = nadam_momentum_schedule(b1, momentum_decay)
    return chain(
        scale_by_momentum(stored(dozat_average(b1, momentum, shifted_schedule(momentum, 1)), storage)),
        scale_by_rms(bias_correction(stored(ema(b2), storage)), eps),
        scale_by_learning_rate(learning_rate),
    )
