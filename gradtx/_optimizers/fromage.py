"""Fromage."""

from typing import Any

from gradtx._core.transformation import chain, transformation
from gradtx._core.types import LearningRate
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_trust_ratio import scale_by_trust_ratio
from gradtx._transforms.shrink_weights import shrink_weights


@transformation
def fromage(learning_rate: LearningRate) -> Any:
    """Steps as large as the weights of their layer, which keep their norm: θ ← (θ − η ‖θ‖ / ‖g‖ g) / √(1 + η²).

    No other number to tune and no state; 0.01 is the authors' choice everywhere. A leaf that is zero takes a plain step.
    (Bernstein et al. 2020, algorithm 1.)
    """
    return chain(scale_by_trust_ratio(), scale_by_learning_rate(learning_rate), shrink_weights(learning_rate))
