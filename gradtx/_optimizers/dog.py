"""DoG."""

from typing import Any

from gradtx._core.transformation import chain, transformation
from gradtx._core.types import LearningRate, Positive
from gradtx._transforms.scale_by_dog import scale_by_dog
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate


@transformation
def dog(learning_rate: LearningRate = 1.0, reps_rel: Positive = 1e-6, eps_root: Positive = 1e-8) -> Any:
    """Gradient descent whose step size is distance over gradients: θ ← θ − η r̄ / √(Σ‖g‖² + eps_root) g.

    r̄ is the largest distance from the start so far, at least `reps_rel` (1 + ‖θ₀‖); 1e-4 with batch norm. There is nothing to tune:
    leave `learning_rate` at 1. The authors evaluate a running average of the weights, not the last ones. It remembers θ₀,
    so let nothing else move the weights: weight decay goes before it, as part of the gradient. (Ivgi et al. 2023, arXiv 2302.12022.)
    """
    return chain(scale_by_dog(reps_rel, eps_root), scale_by_learning_rate(learning_rate))
