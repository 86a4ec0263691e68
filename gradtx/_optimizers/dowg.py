"""DoWG."""

from typing import Any

from gradtx._core.transformation import chain, transformation
from gradtx._core.types import LearningRate, Positive
from gradtx._transforms.scale_by_dowg import scale_by_dowg
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate


@transformation
def dowg(learning_rate: LearningRate = 1.0, initial_distance: Positive = 1e-2, eps: Positive = 1e-4) -> Any:
    """Gradient descent whose step size is distance over weighted gradients: θ ← θ − η r̄² / (√(Σ r̄²‖g‖²) + eps) g.

    r̄ is the largest distance from the start so far, at least `initial_distance`. Late gradients weigh more than early ones, so it
    speeds up sooner than `dog`. Leave `learning_rate` at 1. It remembers θ₀, so let nothing else move the weights: weight decay
    goes before it, as part of the gradient. (Khaled et al. 2023, arXiv 2305.16284.)
    """
    return chain(scale_by_dowg(initial_distance, eps), scale_by_learning_rate(learning_rate))
