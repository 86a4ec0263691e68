"""The step along the updates, downhill."""

from typing import Any

from gradtx._core.numerics import scaled
from gradtx._core.transformation import stateless, transformation
from gradtx._core.types import LearningRate


@transformation
def scale_by_learning_rate(learning_rate: LearningRate) -> Any:
    """Step downhill: u ← −η u. `learning_rate` η ≥ 0, a number or a schedule."""
    return stateless(lambda updates: scaled(updates, by=-learning_rate))
