"""ACProp."""

from typing import Any

from gradtx._core.transformation import chain, transformation
from gradtx._core.types import Decay, LearningRate, NonNegative, Positive
from gradtx._transforms.scale_by_lagged_belief import scale_by_lagged_belief
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate


@transformation
def acprop(
    learning_rate: LearningRate,
    b1: Decay = 0.9,
    b2: Decay = 0.999,
    eps: Positive = 1e-16,
    eps_moment: NonNegative = 1e-16,
) -> Any:
    """AdaBelief without momentum and one step behind: θ ← θ − η g / (√ŝ + eps), then s ← b2 s + (1 − b2)(g − m)² + eps_moment.

    The divisor does not know the gradient that it divides; the first step is −η g. Corrections and epsilons as in the
    authors' code, without its rectification. (Zhuang et al. 2021, algorithm 2.)
    """
    return chain(scale_by_lagged_belief(b1, b2, eps, eps_moment), scale_by_learning_rate(learning_rate))
