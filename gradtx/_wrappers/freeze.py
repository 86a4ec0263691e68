"""Training some of the leaves only."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.selection import Where, selected
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
        return inner.init(hidden(params, selected(params, where)))

    def update(updates: PyTree, state: Any, params: PyTree = None, *, gradient: PyTree) -> Any:
        frozen = selected(updates if params is None else params, where)
        behind = hidden(gradient, frozen)
        visible = None if params is None else hidden(params, frozen)
        moved, state = inner.update(hidden(updates, frozen), state, visible, gradient=behind)
        restored = jax.tree.map(
            lambda u, out, new: jnp.zeros_like(u) if out else new, updates, frozen, moved, is_leaf=lambda leaf: leaf is None
        )
        return restored, state

    return init, update
