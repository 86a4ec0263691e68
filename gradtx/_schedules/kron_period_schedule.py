"""How seldom PSGD Kron fits its preconditioner."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.schedule import schedule
from gradtx._core.types import NonNegative, Positive


@schedule
def kron_period_schedule(longest: Positive = 100 / 3, flat: NonNegative = 200, decay: NonNegative = 0.001) -> Callable[[jax.Array], Any]:
    """min(e^(decay · (t − flat)), longest), at least 1: every step at first, then more and more seldom.

    The period whose inverse is the probability of psgd_jax, from 1 over 200 steps to 0.03 after 3,700; kron_torch has a `flat` of 500.
    """
    return lambda time: jnp.exp(jnp.clip(decay * (time - flat), 0, jnp.log(longest)))
