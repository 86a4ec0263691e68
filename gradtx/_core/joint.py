"""Checks of several arguments at once, made when a factory is called."""

import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any

import jax
import numpy as np

from gradtx._core.hints import nearest
from gradtx._core.kinds import is_schedule, is_traced

Check = Callable[..., None]
"""A function of some arguments of a factory, by their names, that raises ValueError where they do not fit each other."""


def check_arguments(check: Check, known: Collection[str], where: str) -> None:
    """Make sure that `check` looks at arguments that there are."""
    alien = next((name for name in inspect.signature(check).parameters if name not in known), None)
    if alien:
        raise TypeError(f"{where}: its check looks at {alien!r}{nearest(alien, known)}, which is no argument.")


def run_check(check: Check, arguments: Mapping[str, Any], where: str) -> None:
    """Call `check` with the arguments that it names, and let its error begin with `where`.

    Numbers are float64, or float64 arrays where they are batches. One that is not known, because it is traced or a
    schedule, is NaN, which no comparison finds at fault; so are batches of which no two members meet.
    """
    seen = {name: _known(arguments[name]) for name in inspect.signature(check).parameters}
    try:
        np.broadcast_shapes(*(np.shape(leaf) for leaf in jax.tree.leaves(seen)))
    except ValueError:
        seen = jax.tree.map(lambda leaf: np.nan if np.ndim(leaf) else leaf, seen)
    try:
        check(**seen)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def exceeds(first: Any, second: Any) -> bool:
    """Whether `first` is above `second` anywhere by more than float32 rounding, 1e-6 of either. For checks; False for NaN."""
    return bool(np.any(first - second > 1e-6 * np.maximum(np.abs(first), np.abs(second))))


def _known(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_known, value))
    if is_schedule(value) or is_traced(value) or isinstance(value, jax.ShapeDtypeStruct):
        return np.nan
    return np.asarray(value, np.float64)[()] if isinstance(value, float | np.ndarray | jax.Array) else value
