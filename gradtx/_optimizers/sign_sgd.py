"""Sign descent."""

from typing import Any

from gradtx._core.transformation import chain, transformation
from gradtx._core.types import LearningRate
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.sign import sign


@transformation
def sign_sgd(learning_rate: LearningRate) -> Any:
    """The sign of the gradient: θ ← θ − η sign(g). It remembers nothing.

    `signum` is the sign of an average, less misled by noise. (Bernstein et al. 2018, algorithm 1.)
    """
    return chain(sign(), scale_by_learning_rate(learning_rate))
