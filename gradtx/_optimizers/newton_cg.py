"""Newton's method by conjugate gradients."""

from typing import Any

from gradtx._core.transformation import chain, transformation
from gradtx._core.types import Count, LearningRate, NonNegative
from gradtx._transforms.scale_by_conjugate_gradient import scale_by_conjugate_gradient
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate


@transformation
def newton_cg(learning_rate: LearningRate = 1.0, damping: NonNegative = 1e-4, iterations: Count = 20, tolerance: NonNegative = 1e-4) -> Any:
    """Newton's method without forming the Hessian: θ ← θ − η x, (H + λ I) x ≈ g by conjugate gradients.

    Each step costs up to `iterations` Hessian-vector products and a few vectors of memory. It needs the parameters
    and `value_fn`, best on a large batch. (Nocedal & Wright 2006, algorithm 7.1.)
    """
    return chain(scale_by_conjugate_gradient(damping, iterations, tolerance), scale_by_learning_rate(learning_rate))
