"""The numbers of an optimizer in coordinates in which equal steps mean equal much."""

import fnmatch
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx._core.kinds import Interval
from gradtx._core.trees import path_name


class Coordinate(NamedTuple):
    """One float leaf of an optimizer: its name, its place among the leaves, and the logarithm that suits its range, if any.

    `log`: of the number, which is positive. `log of the rest`: of 1 − x, for a decay. Otherwise it is taken as it is, from `low` to `high`.
    """

    name: str
    place: int
    kind: str
    low: float = -math.inf
    high: float = math.inf

    def inward(self, x: Any) -> jax.Array:
        """The coordinate of the number."""
        x = jnp.asarray(x, jnp.result_type(float))
        return x if self.kind == "plain" else jnp.log(x if self.kind == "log" else 1 - x)

    def outward(self, u: jax.Array) -> jax.Array:
        """The number at the coordinate, within its range."""
        if self.kind == "plain":
            return self._within(u)
        if self.kind == "log":
            return jnp.exp(u)
        return 1 - jnp.exp(jnp.clip(u, jnp.log(jnp.finfo(u.dtype).eps), math.log1p(-self.low)))

    def multiplied(self, x: jax.Array, factor: jax.Array) -> jax.Array:
        """The number times a factor, within its range; for a decay, 1 − x times it."""
        if self.kind == "log of the rest":
            return 1 - jnp.minimum((1 - x) * factor, 1 - self.low)
        if self.kind == "log":  # however small: what is above 0 stays so
            return jnp.where(x > 0, jnp.maximum(x * factor, jnp.finfo(x.dtype).tiny), x)
        return self._within(x * factor)

    def _within(self, x: jax.Array) -> jax.Array:
        """The number, or the end of its range that it is beyond; at an end its derivative is that of the number."""
        return jnp.where(x < self.low, self.low, jnp.where(x > self.high, self.high, x))


def coordinates(tx: Any, names: str | Sequence[str], part: str) -> tuple[Coordinate, ...]:
    """The float leaves of an optimizer whose path matches one of the patterns: `learning_rate`, `*/decay`, `*`."""
    patterns = (names,) if isinstance(names, str) else tuple(names)
    entries = jax.tree_util.tree_leaves_with_path(tx)
    found = [
        Coordinate(path_name(path), k, _kind(interval), *_ends(interval))
        for k, ((path, leaf), interval) in enumerate(zip(entries, _intervals(tx, None), strict=True))
        if jnp.issubdtype(jnp.result_type(leaf), jnp.floating)
    ]
    for pattern in patterns:
        if not any(fnmatch.fnmatchcase(c.name, pattern) for c in found):
            raise ValueError(f"{part}: no number of the optimizer is called {pattern!r}. There are: {', '.join(c.name for c in found)}.")
    return tuple(c for c in found if any(fnmatch.fnmatchcase(c.name, pattern) for pattern in patterns))


def _intervals(value: Any, kind: Any) -> Iterator[Interval]:
    """The range of each leaf, from the one that the factory's annotation gives its argument."""
    if hasattr(value, "form"):
        for name, child in value.branches():
            yield from _intervals(child, value.form.kinds[name])
    elif isinstance(value, tuple):
        kinds = getattr(kind, "kinds", (kind,))
        for k, child in enumerate(value):
            yield from _intervals(child, kinds[min(k, len(kinds) - 1)])
    else:
        yield from [getattr(kind, "interval", Interval())] * len(jax.tree.leaves(value))


def _kind(interval: Interval) -> str:
    if interval.low != 0:
        return "plain"
    if interval.high == 1 and interval.high_open:
        return "log of the rest"
    return "log" if interval.high == math.inf else "plain"


def _ends(interval: Interval) -> tuple[float, float]:
    """The least and the largest number that are in the range, a little inside of an open end."""
    little = float(jnp.finfo(jnp.float32).eps)
    return interval.low + little * interval.low_open, interval.high - little * interval.high_open


def replaced(tx: Any, chosen: Sequence[Coordinate], numbers: Sequence[Any]) -> Any:
    """The optimizer with these numbers in the places of the chosen coordinates."""
    leaves, structure = jax.tree.flatten(tx)
    for coordinate, number in zip(chosen, numbers, strict=True):
        leaves[coordinate.place] = number
    return structure.unflatten(leaves)
