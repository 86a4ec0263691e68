"""A factor of its own for every weight."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.kinds import shown
from gradtx._core.numerics import leafwise
from gradtx._core.transformation import stateless, transformation
from gradtx._core.trees import path_name
from gradtx._core.types import PyTree, Tree


@leafwise
def _product(x: jax.Array, factor: jax.Array) -> jax.Array:
    return x * factor


@transformation
def scale_by_tree(factors: Tree) -> Any:
    """Multiply each leaf, or each weight, by its own factor: u ← c ⊙ u. Per-weight learning rates.

    `factors` is a tree like the parameters, or a prefix of it (one number for a whole layer). Each factor is a scalar
    or has the shape of its leaf; nothing else broadcasts.
    """

    def apply(updates: PyTree) -> PyTree:
        try:
            full = jax.tree.map(lambda factor, part: jax.tree.map(lambda _: factor, part), factors, updates)
        except ValueError as error:
            raise ValueError(f"scale_by_tree: factors are no prefix of the updates' tree: {error}") from None
        return _product(updates, jax.tree_util.tree_map_with_path(_fitted, full, updates))

    return stateless(apply)


def _fitted(path: Any, factor: Any, update: jax.Array) -> jax.Array:
    if jnp.shape(factor) not in ((), update.shape):
        raise ValueError(
            f"scale_by_tree: factors have {shown(factor)} at {path_name(path)}, where the updates have shape {update.shape}. "
            "Give a scalar or an array of that shape."
        )
    return jnp.asarray(factor).astype(update.dtype)
