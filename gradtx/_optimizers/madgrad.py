"""MADGRAD."""

from typing import Any

from gradtx._core.transformation import chain, transformation
from gradtx._core.types import Decay, LearningRate, Positive
from gradtx._transforms.dual_average import dual_average


@transformation(stands="last")
def madgrad(learning_rate: LearningRate, momentum: Decay = 0.9, eps: Positive = 1e-6) -> Any:
    """Dual averaging with a cube root: θ ← momentum θ + (1 − momentum)(θ₀ − s / (ν^⅓ + eps)), s and ν sums of λ g and λ g², λ = η √t.

    Learning rates are not those of Adam: sweep again, and take less weight decay. Nothing else may move the weights, so it
    is the last of its chain; an L2 penalty stands before it. (Defazio & Jelassi 2021, algorithm 1; their code adds eps to η too.)
    """
    return chain(dual_average(learning_rate, momentum, eps))
