"""Schedules made of schedules: pieces one after the other, shifted in time."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.schedule import Schedule, schedule
from gradtx._core.types import Number, Numbers, Schedules


@schedule
def join_schedules(schedules: Schedules, boundaries: Numbers) -> Callable[[jax.Array], Any]:
    """One schedule after the other: piece k from step `boundaries[k - 1]` on, where it begins at its own step 0.

    The first value is the first piece's, the last that of the last piece. There is one boundary less than pieces; a
    number stands for a constant piece.
    """
    if len(schedules) != len(boundaries) + 1:
        raise ValueError(
            f"join_schedules: {len(schedules)} schedules need {len(schedules) - 1} boundaries between them, got {len(boundaries)}."
        )

    def value(time: jax.Array) -> Any:
        joined = schedules[0](time)
        for boundary, piece in zip(boundaries, schedules[1:], strict=True):
            joined = jnp.where(time < boundary, joined, piece(jnp.maximum(time - boundary, 0)))
        return joined

    return value


@schedule
def piecewise_constant_schedule(values: Numbers, boundaries: Numbers) -> Callable[[jax.Array], Any]:
    """Constant pieces: `values[0]` at step 0, `values[k]` from step `boundaries[k - 1]` on. There is one boundary less than values."""
    return join_schedules(values, boundaries)


@schedule
def shifted_schedule(schedule: Schedule, steps: Number) -> Callable[[jax.Array], Any]:
    """The schedule as it will be `steps` later: s(t + steps)."""
    return lambda time: schedule(time + steps)
