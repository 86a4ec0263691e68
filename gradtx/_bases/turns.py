"""Costly work on many matrices, a share of it at each step."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.layouts import placed, whole
from gradtx._core.matrices import alike
from gradtx._core.types import PyTree

Refresh = Callable[[jax.Array, jax.Array], Any]
"""From a stack of statistics and one of what is kept, of equal length, a tuple of what is to be kept."""


def in_turn(refresh: Refresh, statistics: PyTree, kept: tuple[PyTree, ...], step: jax.Array, every: int, first: Refresh) -> Any:
    """What is kept of each statistic, refreshed once in `every` steps, those of equal shape taking turns; all at the first step."""
    leaves, structure = jax.tree.flatten(statistics)
    now = [list(each) for each in zip(*map(jax.tree.leaves, kept), strict=True)]
    for _, places in alike(leaves, lambda leaf: (leaf.shape, leaf.dtype)):
        stack = [jnp.stack([whole(column[k]) for k in places]) for column in (leaves, *map(list, zip(*now, strict=True)))]
        moved = _of_one_shape(refresh, stack, step, every, first)
        for row, k in enumerate(places):
            now[k] = [placed(values[row], before) for values, before in zip(moved, now[k], strict=True)]
    return tuple(structure.unflatten(column) for column in zip(*now, strict=True)) if now else kept


def _of_one_shape(refresh: Refresh, stack: list[jax.Array], step: jax.Array, every: int, first: Refresh) -> list[jax.Array]:
    statistics, *kept = stack
    count = statistics.shape[0]
    share = -(-count // every)

    def some() -> list[jax.Array]:
        rows = (step % every) * share + jnp.arange(share)
        new = refresh(statistics.at[rows].get(mode="clip"), kept[0].at[rows].get(mode="clip"))
        return [old.at[rows].set(values, mode="drop") for old, values in zip(kept, new, strict=True)]

    def later() -> list[jax.Array]:
        return jax.lax.cond((step % every) * share < count, some, lambda: kept)

    return jax.lax.cond(step == 0, lambda: list(first(statistics, kept[0])), later)
