"""A factor of its own for every weight."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.kinds import shown
from gradtx._core.numerics import leafwise
from gradtx._core.transformation import transformation
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

    def init(params: PyTree) -> None:
        _fitted(factors, params)

    def update(updates: PyTree, state: None) -> tuple[PyTree, None]:
        fitted = _fitted(factors, updates)
        return _product(updates, jax.tree.map(lambda factor, u: jnp.asarray(factor).astype(u.dtype), fitted, updates)), state

    return init, update


def _fitted(factors: PyTree, tree: PyTree) -> PyTree:
    """The factor of each leaf of `tree`."""
    try:
        full = jax.tree.map(lambda factor, part: jax.tree.map(lambda _: factor, part), factors, tree)
    except ValueError as error:
        raise ValueError(f"scale_by_tree: factors are no prefix of the tree of the updates: {error}") from None
    return jax.tree_util.tree_map_with_path(_checked, full, tree)


def _checked(path: Any, factor: Any, leaf: jax.Array) -> Any:
    if jnp.shape(factor) not in ((), leaf.shape):
        raise ValueError(
            f"scale_by_tree: factors have {shown(factor)} at {path_name(path)}, where the updates have shape {leaf.shape}. "
            "Give a scalar or an array of that shape."
        )
    return factor
