"""Multiplication by one number."""

from typing import Any

from gradtx._core.numerics import scaled
from gradtx._core.transformation import stateless, transformation
from gradtx._core.types import Number


@transformation
def scale(step_size: Number) -> Any:
    """Multiply the updates: u ← c u. `step_size` c is any finite number, or a schedule."""
    return stateless(lambda updates: scaled(updates, by=step_size))
