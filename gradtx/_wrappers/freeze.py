"""Training some of the leaves only."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.flow import Flow
from gradtx._core.selection import Where
from gradtx._core.transformation import GradientTransformation, transformation
from gradtx._core.types import PyTree


@transformation
def freeze(where: Where, inner: GradientTransformation) -> Any:
    """Leave the chosen leaves as they are and run `inner` on the rest: u ← 0 where frozen.

    Frozen leaves have no state and cost no arithmetic. `where` is a pattern over paths such as `"encoder/*"`, or a
    function of the path and the leaf.
    """

    def hidden(tree: PyTree, frozen: PyTree) -> PyTree:
        return jax.tree.map(lambda leaf, out: None if out else leaf, tree, frozen)

    def init(params: PyTree) -> Any:
        return inner.init(hidden(params, where(params)))

    def update(updates: PyTree, state: Any, params: PyTree = None, *, flow: Flow) -> Any:
        frozen = where(updates if params is None else params)

        def restored(tree: PyTree) -> PyTree:
            return jax.tree.map(
                lambda u, out, new: jnp.zeros_like(u) if out else new, updates, frozen, tree, is_leaf=lambda leaf: leaf is None
            )

        visible = None if params is None else hidden(params, frozen)
        moved, state = inner.carry(flow.map(lambda tree: hidden(tree, frozen)), state, visible)
        return moved.map(restored), state

    def evaluate(params: PyTree, state: Any) -> PyTree:
        frozen = where(params)
        seen = inner.evaluate(hidden(params, frozen), state)
        return jax.tree.map(lambda param, out, new: param if out else new, params, frozen, seen, is_leaf=lambda leaf: leaf is None)

    return init, update, evaluate
