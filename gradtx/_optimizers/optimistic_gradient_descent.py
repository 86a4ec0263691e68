"""Optimistic gradient descent."""

from typing import Any

from gradtx._core.transformation import chain, transformation
from gradtx._core.types import LearningRate, NonNegative
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_optimistic_gradient import scale_by_optimistic_gradient


@transformation
def optimistic_gradient_descent(learning_rate: LearningRate, alpha: NonNegative = 1.0, beta: NonNegative = 1.0) -> Any:
    """Gradient descent that looks ahead: θ ← θ − η ((α + β) g − β g_before), with g_before = g at the first step.

    For games such as min-max problems, where it converges to a saddle point that gradient descent circles. (Daskalakis et
    al. 2017, with α = β = 1; Mokhtari et al. 2019.)
    """
    return chain(scale_by_optimistic_gradient(alpha, beta), scale_by_learning_rate(learning_rate))
