"""Follow the regularized leader."""

from typing import Any

from gradtx._core.transformation import chain, transformation
from gradtx._core.types import LearningRate, NonNegative, Positive
from gradtx._transforms.follow_regularized_leader import follow_regularized_leader


@transformation(stands="last")
def ftrl(learning_rate: LearningRate, beta: Positive = 1.0, l1: NonNegative = 0.0, l2: NonNegative = 0.0) -> Any:
    """AdaGrad's steps with weights that are exactly 0 under an L1 penalty: θ ← −(z − sign(z) λ₁)₊ / ((β + √n)/η + λ₂).

    n sums g², z sums g − (√n − √n_before)/η θ. For sparse linear models; begin at weights of 0, of which those without a
    gradient stay there. A learning rate of 0 has no meaning here. (McMahan et al. 2013, algorithm 1.)
    """
    return chain(follow_regularized_leader(learning_rate, beta, l1, l2))
