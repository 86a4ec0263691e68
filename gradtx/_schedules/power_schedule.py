"""A power of time."""

from collections.abc import Callable
from typing import Any

import jax

from gradtx._core.numerics import power
from gradtx._core.schedule import schedule
from gradtx._core.types import Number, Positive


@schedule
def power_schedule(factor: Number, exponent: Positive) -> Callable[[jax.Array], Any]:
    """c tᵖ, which is 0 at step 0 and grows without end: ADOPT's bound is t^¼. `factor` c, `exponent` p."""
    return lambda time: factor * power(time, exponent)
