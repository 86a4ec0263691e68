"""A power of time."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.schedule import schedule
from gradtx._core.types import Number, Positive


@schedule
def power_schedule(factor: Number, exponent: Positive) -> Callable[[jax.Array], Any]:
    """c max(t, 1)ᵖ, which grows without end from c: ADOPT's bound is t^¼. `factor` c, `exponent` p."""
    return lambda time: factor * jnp.maximum(time, 1) ** exponent
