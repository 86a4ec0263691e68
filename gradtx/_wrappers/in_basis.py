"""An optimizer that runs in other coordinates."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.coordinates import in_coordinates, read_basis
from gradtx._core.flow import Flow
from gradtx._core.transformation import GradientTransformation, transformation
from gradtx._core.types import PyTree


@transformation
def in_basis(basis: GradientTransformation, inner: GradientTransformation) -> Any:
    """Turn the updates, and the gradient behind them, into a basis, run `inner` there and turn back: u ← Q inner(Qᵀ u P) Pᵀ.

    `basis` is made for it: `kronecker_eigenbasis(ema(0.95))`, `low_rank_basis(128)`; it sees the gradient. Momentum is
    linear and stays outside: SOAP is `chain(scale_by_momentum(...), in_basis(kronecker_eigenbasis(...), scale_by_rms(...)))`.
    Every leaf must be a matrix. Until the basis is there the updates are zero and `inner` absorbs nothing. Parts behind
    it see the gradient in the old coordinates. Sizes beyond 2⁵² (in float64 2⁵⁰⁰) count as that.
    """

    def init(params: PyTree) -> Any:
        entries = basis.init(params)
        seen = jax.eval_shape(
            lambda: in_coordinates(
                params, read_basis(basis.carry(Flow(params, params), entries, params)[0], "in_basis")["basis"], into=True
            )
        )
        inside = jax.tree.map(lambda p, q: p if p.shape == q.shape else jnp.zeros(q.shape, q.dtype), params, seen)
        return {"basis": entries, "inner": inner.init(inside)}

    def update(updates: PyTree, state: Any, params: PyTree = None, *, flow: Flow) -> Any:
        after, entries = basis.carry(Flow(flow.gradient, flow.gradient), state["basis"], params)
        read = read_basis(after, "in_basis")
        axes = jax.lax.stop_gradient(read["basis"])
        turned = dataclasses.replace(flow, published={}).map(lambda tree: in_coordinates(tree, axes, into=True))
        seen = dataclasses.replace(turned, published={name: read[name] for name in read if name not in ("basis", "ready")})
        moved, new = inner.carry(seen, state["inner"], None if params is None else in_coordinates(params, axes, into=True))
        back = in_coordinates(moved.updates, axes, into=False)
        if "ready" in read:
            back = jax.tree.map(lambda u: jnp.where(read["ready"], u, 0), back)
            new = jax.tree.map(lambda now, before: jnp.where(read["ready"], now, before), new, state["inner"])
        return flow.left(dataclasses.replace(moved, updates=back), moved.downhill != flow.downhill), {"basis": entries, "inner": new}

    return init, update
