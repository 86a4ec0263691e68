"""Schedules made of schedules: pieces one after the other, shifted in time."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.joint import exceeds
from gradtx._core.schedule import Schedule, schedule
from gradtx._core.types import Number, Numbers, Schedules


def _check_pieces(pieces: tuple[Any, ...], boundaries: tuple[Any, ...], called: str) -> None:
    if not pieces:
        raise ValueError(f"there are no {called}. Give at least one, and one boundary less than {called}.")
    if len(pieces) != len(boundaries) + 1:
        raise ValueError(f"{len(pieces)} {called} need {len(pieces) - 1} boundaries between them, got {len(boundaries)}.")
    for k, (first, second) in enumerate(itertools.pairwise(boundaries)):
        if exceeds(first, second):
            raise ValueError(
                f"boundaries must not fall, and boundaries[{k + 1}]={second} comes after boundaries[{k}]={first}. "
                "They are steps from the beginning, not lengths."
            )


def _schedules_fit(schedules: tuple[Any, ...], boundaries: tuple[Any, ...]) -> None:
    _check_pieces(schedules, boundaries, "schedules")


def _values_fit(values: tuple[Any, ...], boundaries: tuple[Any, ...]) -> None:
    _check_pieces(values, boundaries, "values")


@schedule(check=_schedules_fit)
def join_schedules(schedules: Schedules, boundaries: Numbers) -> Callable[[jax.Array], Any]:
    """One schedule after the other: piece k from step `boundaries[k - 1]` on, where it begins at its own step 0.

    The first value is the first piece's, the last that of the last piece. There is one boundary less than pieces; a
    number stands for a constant piece.
    """

    return _joined(schedules, boundaries)


def _joined(pieces: Sequence[Callable[[jax.Array], Any]], boundaries: Sequence[Any]) -> Callable[[jax.Array], Any]:
    def value(time: jax.Array) -> Any:
        joined = pieces[0](time)
        for boundary, piece in zip(boundaries, pieces[1:], strict=True):
            joined = jnp.where(time < boundary, joined, piece(jnp.maximum(time - boundary, 0)))
        return joined

    return value


@schedule(check=_values_fit)
def piecewise_constant_schedule(values: Numbers, boundaries: Numbers) -> Callable[[jax.Array], Any]:
    """Constant pieces: `values[0]` at step 0, `values[k]` from step `boundaries[k - 1]` on. There is one boundary less than values."""
    return _joined([lambda time, value=value: value for value in values], boundaries)


@schedule
def shifted_schedule(schedule: Schedule, steps: Number) -> Callable[[jax.Array], Any]:
    """The schedule as it will be `steps` later: s(t + steps)."""
    return lambda time: schedule(time + steps)
