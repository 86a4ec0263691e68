"""Quasi-hyperbolic Adam."""

from typing import Any

from gradtx._core.transformation import chain, transformation
from gradtx._core.types import Decay, Fraction, LearningRate, Positive
from gradtx._moments.bias_correction import bias_correction
from gradtx._moments.ema import ema
from gradtx._moments.quasi_hyperbolic import quasi_hyperbolic
from gradtx._moments.stored import stored
from gradtx._storage.codec import Codec
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_momentum import scale_by_momentum
from gradtx._transforms.scale_by_rms import scale_by_rms


@transformation
def qhadam(
    learning_rate: LearningRate,
    b1: Decay = 0.995,
    b2: Decay = 0.999,
    nu1: Fraction = 0.7,
    nu2: Fraction = 1.0,
    eps: Positive = 1e-8,
    storage: Codec | None = None,
) -> Any:
    """Adam whose averages are mixed with their inputs: θ ← θ − η ((1 − ν₁) g + ν₁ m̂) / (√((1 − ν₂) g² + ν₂ v̂) + eps).

    ν₁ = ν₂ = 1 is Adam. ν₂ below 1 bounds steps after a sudden gradient. (Ma & Yarats 2018, section 5, with the numbers
    that its authors recommend; their code has Adam's.)
    """
    return chain(
        scale_by_momentum(quasi_hyperbolic(bias_correction(stored(ema(b1), storage)), nu1)),
        scale_by_rms(quasi_hyperbolic(bias_correction(stored(ema(b2), storage)), nu2), eps),
        scale_by_learning_rate(learning_rate),
    )
