"""Gradient descent with Polyak's step size."""

from typing import Any

from gradtx._core.transformation import chain, transformation
from gradtx._core.types import LearningRate, Number, Positive
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_polyak import scale_by_polyak


@transformation
def polyak_sgd(learning_rate: LearningRate = 1.0, f_min: Number = 0.0, max_learning_rate: Positive = 1.0) -> Any:
    """Gradient descent that steps to where the line along the gradient meets `f_min`: θ ← θ − η min((f − f_min) / ‖g‖², η_max) g.

    It needs the extra `value`, the loss on the same batch. For models that can fit every example, where `f_min` is 0;
    with noise that no model can fit it does not converge. (Loizou et al. 2020, arXiv 2002.10542: SPS_max with c = 1/η.)
    """
    return chain(scale_by_polyak(f_min, max_learning_rate), scale_by_learning_rate(learning_rate))
