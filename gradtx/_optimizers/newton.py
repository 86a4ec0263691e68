"""Newton's method with the whole Hessian."""

from typing import Any

from gradtx._core.transformation import chain, transformation
from gradtx._core.types import LearningRate, NonNegative
from gradtx._transforms.scale_by_hessian import scale_by_hessian
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate


@transformation
def newton(learning_rate: LearningRate = 1.0, damping: NonNegative = 1e-4) -> Any:
    """Newton's method: θ ← θ − η (H + λ I)⁻¹ g. On a quadratic with η = 1 and λ = 0 it arrives in one step.

    It needs the parameters and `value_fn`, n² memory and n³ work: for up to a few thousand weights. `newton_cg` goes
    further. (Nocedal & Wright 2006, section 3.3.)
    """
    return chain(scale_by_hessian(damping), scale_by_learning_rate(learning_rate))
