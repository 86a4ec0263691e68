"""A decay whose half-life grows along a straight line."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.schedule import schedule
from gradtx._core.types import OpenDecay, Positive
from gradtx._schedules.polynomial import between, fraction


@schedule
def half_life_schedule(init_value: OpenDecay, end_value: OpenDecay, transition_steps: Positive) -> Callable[[jax.Array], Any]:
    """A decay from `init_value` to `end_value` whose half-life moves along a straight line: 1 / log β(t) is linear in t.

    The steps over which an average reaches back grow evenly, where a straight line of β itself would leave most of the
    growth to the end. AdEMAMix's warmup of its slow average. (Pagliardini et al. 2024, section 3, "β₃ scheduler".)
    """

    def value(time: jax.Array) -> jax.Array:
        passed = fraction(time, 0, transition_steps)
        first, last = (1 / jnp.log(jnp.asarray(decay, time.dtype)) for decay in (init_value, end_value))
        return jnp.exp(1 / between(first, last, passed))

    return value
