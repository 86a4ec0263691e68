"""Trees of matrices in other coordinates, and what a basis publishes about them."""

from typing import Any

import jax

from gradtx._core.flow import Flow
from gradtx._core.layouts import placed, whole
from gradtx._core.matrices import gathered, product
from gradtx._core.numerics import cut_off
from gradtx._core.types import PyTree


def _between(x: jax.Array, left: Any, right: Any) -> jax.Array:
    """left x right, with None for the identity, of values that cannot overflow in the sum."""
    y = cut_off(whole(x))
    y = y if left is None else product(whole(left), y)
    y = y if right is None else product(y, whole(right))
    return placed(y, x) if y.shape == x.shape else gathered(y)


def _transposed(matrix: Any) -> Any:
    return None if matrix is None else matrix.mT


def in_coordinates(tree: PyTree, basis: dict[str, PyTree], *, into: bool) -> PyTree:
    """Every leaf in the coordinates of the basis, or back from them: Qᵀ x P and Q y Pᵀ."""

    def turned(x: Any, left: Any, right: Any) -> Any:
        if x is None:
            return None
        return _between(x, _transposed(left), right) if into else _between(x, left, _transposed(right))

    return jax.tree.map(turned, tree, basis["left"], basis["right"], is_leaf=lambda leaf: leaf is None)


def read_basis(flow: Flow, part: str) -> Any:
    """What a basis published: `basis`, two trees of matrices or None, and what it says beside it."""
    if "basis" not in flow.published:
        raise ValueError(f"{part}: basis must be one that is made for it, such as kronecker_eigenbasis(ema(0.95)); this one names no axes.")
    return flow.published
