"""Schedules that go from one value to another along a power of time."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.schedule import schedule
from gradtx._core.types import Number, Positive


def fraction(time: jax.Array, begin: Any, steps: Any) -> jax.Array:
    """How much of a stretch of `steps` from `begin` has passed at `time`, in [0, 1]. One of no length is a jump."""
    lasts = steps > 0
    return jnp.where(lasts, jnp.clip((time - begin) / jnp.where(lasts, steps, 1), 0, 1), (time >= begin).astype(time.dtype))


def between(first: Any, last: Any, passed: jax.Array) -> jax.Array:
    """From `first` to `last` along a straight line, from whichever is nearer, so that both are met exactly."""
    return jnp.where(passed < 0.5, first + (last - first) * passed, last - (last - first) * (1 - passed))


@schedule
def constant_schedule(value: Number) -> Callable[[jax.Array], Any]:
    """The same value at every step."""
    return lambda time: value


@schedule
def linear_schedule(
    init_value: Number, end_value: Number, transition_steps: Positive, transition_begin: Number = 0.0
) -> Callable[[jax.Array], Any]:
    """A straight line: `init_value` until step `transition_begin`, `end_value` from `transition_steps` steps later on."""
    return lambda time: between(init_value, end_value, fraction(time, transition_begin, transition_steps))


@schedule
def polynomial_schedule(
    init_value: Number, end_value: Number, power: Positive, transition_steps: Positive, transition_begin: Number = 0.0
) -> Callable[[jax.Array], Any]:
    """end + (init − end)(1 − s)ᵖ with s going from 0 to 1 over `transition_steps`.

    It is `init_value` until step `transition_begin` and `end_value` from `transition_steps` steps later on.
    """

    def value(time: jax.Array) -> jax.Array:
        left = 1 - fraction(time, transition_begin, transition_steps)
        return end_value + (init_value - end_value) * jnp.where(left > 0, jnp.where(left > 0, left, 1) ** power, 0)

    return value
