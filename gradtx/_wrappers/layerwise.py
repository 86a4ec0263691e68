"""Layers and matrices of their own, however the leaves hold them."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.flow import Flow
from gradtx._core.layouts import every_layer, placed
from gradtx._core.matrices import gathered
from gradtx._core.placement import owners
from gradtx._core.selection import Where
from gradtx._core.shares import joined, joined_flow, only, without_empty
from gradtx._core.transformation import GradientTransformation, transformation
from gradtx._core.types import PyTree
from gradtx._core.view import View


class Stacks:
    """The leaves of a tree by the number of layers that they hold, each seen layer by layer."""

    def __init__(self, where: Any, tree: PyTree) -> None:
        self.views = where.views(tree)
        self.sizes: list[int | None] = list(dict.fromkeys(view.layers for view in jax.tree.leaves(self.views)))
        self.owners = jax.tree.map(lambda view: self.sizes.index(view.layers), self.views)

    def names(self) -> list[tuple[str, int | None]]:
        """What the state calls each of them, with the number of layers."""
        return [("single" if size is None else f"stack_{size}", size) for size in self.sizes]

    def seen(self, tree: PyTree) -> PyTree:
        return jax.tree.map(View.into, self.views, tree)

    def share(self, seen: PyTree, size: int | None) -> PyTree:
        return only(seen, self.owners, self.sizes.index(size))

    def back(self, seen: PyTree, like: PyTree) -> PyTree:
        return jax.tree.map(View.back, self.views, seen, like)


def _side_by_side(inner: GradientTransformation, size: int, flow: Flow, state: PyTree, params: PyTree) -> tuple[Flow, PyTree]:
    """One step of `inner` on each of `size` layers. The state lies afterwards where it lay, counts on every device."""
    given = jax.tree.map(every_layer, (flow, state, params))
    after, new = jax.vmap(lambda k, *given: inner.carry(*given, layer=k))(jnp.arange(size), *given)
    owner = owners(flow.updates)

    def settled(path: Any, leaf: jax.Array, before: jax.Array) -> jax.Array:
        return placed(gathered(leaf) if leaf.ndim == 1 and owner(path, leaf) is None else leaf, before)

    return after, jax.tree_util.tree_map_with_path(settled, new, state)


@transformation
def layerwise(where: Where, inner: GradientTransformation) -> Any:
    """Run `inner` on each layer as if it were a leaf of its own, and on each matrix as one of shape (inputs, outputs).

    `where` is a table of `roles`, which says along which axes a leaf holds layers, heads of attention or fused matrices,
    and which of its axes are inputs and outputs. `inner` runs on all layers of all leaves with equally many at once, by `jax.vmap`:
    norms, means and statistics are those of a layer, and `inner` cannot tell a stack from its layers one by one, but
    for norms over several leaves, which are over one layer of each. A leaf without a role is an error. Where leaves
    are not chosen by role, they are seen as they are. `layerwise(table, lamb(1e-3))` serves scanned layers;
    the methods for matrices, `muon` and its kin, have it inside.
    """

    def init(params: PyTree) -> Any:
        stacks = Stacks(where, params)
        seen = stacks.seen(params)
        runs = {name: inner.init if size is None else jax.vmap(inner.init) for name, size in stacks.names()}
        return without_empty({name: runs[name](stacks.share(seen, size)) for name, size in stacks.names()})

    def update(updates: PyTree, state: Any, params: PyTree = None, *, flow: Flow) -> Any:
        stacks = Stacks(where, updates if params is None else params)
        seen, visible = flow.map(stacks.seen), None if params is None else stacks.seen(params)
        moved, kept = list[Flow](), dict[str, Any]()
        for name, size in stacks.names():
            share = seen.map(lambda tree, size=size: stacks.share(tree, size))
            given = share, (state or {}).get(name, {}), None if visible is None else stacks.share(visible, size)
            after, kept[name] = inner.carry(*given) if size is None else _side_by_side(inner, size, *given)
            moved.append(after)
        if not moved:
            return flow, state
        return joined_flow(moved, stacks.owners).map(lambda tree: stacks.back(tree, updates)), without_empty(kept)

    def evaluate(params: PyTree, state: Any) -> PyTree:
        stacks = Stacks(where, params)
        seen, shares = stacks.seen(params), list[PyTree]()
        for name, size in stacks.names():
            run = inner.evaluate if size is None else jax.vmap(inner.evaluate)
            shares.append(run(stacks.share(seen, size), state.get(name, {})))
        return stacks.back(joined(shares, stacks.owners), params) if shares else params

    return init, update, evaluate
