"""Gradient descent with noise."""

from typing import Any

from gradtx._core.transformation import chain, transformation
from gradtx._core.types import Key, LearningRate, NonNegative
from gradtx._transforms.add_noise import add_noise
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate


@transformation
def noisy_sgd(learning_rate: LearningRate, key: Key, eta: NonNegative = 0.01, gamma: NonNegative = 0.55) -> Any:
    """Gradient descent with Gaussian noise that fades: θ ← θ − η (g + σₜ ξ), σₜ² = `eta` / (1 + t)^γ, ξ ~ N(0, I).

    t counts from 0; the authors tried `eta` 0.01, 0.3 and 1. It helps deep networks that start badly; where they start
    well it changes little. (Neelakantan et al. 2015, equation 1.)
    """
    return chain(add_noise(eta, gamma, key), scale_by_learning_rate(learning_rate))
