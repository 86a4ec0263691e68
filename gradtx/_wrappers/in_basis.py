"""An optimizer that runs in other coordinates."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.flow import Flow
from gradtx._core.matrices import placed, product, whole
from gradtx._core.numerics import cut_off
from gradtx._core.transformation import GradientTransformation, transformation
from gradtx._core.types import PyTree


def _between(x: jax.Array, left: Any, right: Any) -> jax.Array:
    """left x right, with None for the identity, of values that cannot overflow in the sum."""
    y = cut_off(whole(x))
    y = y if left is None else product(left, y)
    y = y if right is None else product(y, right)
    return placed(y, x) if y.shape == x.shape else y


def _transposed(matrix: Any) -> Any:
    return None if matrix is None else matrix.mT


def _mapped(tree: PyTree, basis: dict[str, PyTree], *, into: bool) -> PyTree:
    """Every leaf in the coordinates of the basis, or back from them: Qᵀ x P and Q y Pᵀ."""

    def turned(x: Any, left: Any, right: Any) -> Any:
        if x is None:
            return None
        return _between(x, _transposed(left), right) if into else _between(x, left, _transposed(right))

    return jax.tree.map(turned, tree, basis["left"], basis["right"], is_leaf=lambda leaf: leaf is None)


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
        seen = jax.eval_shape(lambda: _mapped(params, _read(basis.carry(Flow(params, params), entries, params)[0])["basis"], into=True))
        inside = jax.tree.map(lambda p, q: p if p.shape == q.shape else jnp.zeros(q.shape, q.dtype), params, seen)
        return {"basis": entries, "inner": inner.init(inside)}

    def update(updates: PyTree, state: Any, params: PyTree = None, *, flow: Flow) -> Any:
        after, entries = basis.carry(Flow(flow.gradient, flow.gradient), state["basis"], params)
        read = _read(after)
        axes = jax.lax.stop_gradient(read["basis"])
        turned = dataclasses.replace(flow, published={}).map(lambda tree: _mapped(tree, axes, into=True))
        seen = dataclasses.replace(turned, published={name: read[name] for name in read if name not in ("basis", "ready")})
        moved, new = inner.carry(seen, state["inner"], None if params is None else _mapped(params, axes, into=True))
        back = _mapped(moved.updates, axes, into=False)
        if "ready" in read:
            back = jax.tree.map(lambda u: jnp.where(read["ready"], u, 0), back)
            new = jax.tree.map(lambda now, before: jnp.where(read["ready"], now, before), new, state["inner"])
        return flow.left(dataclasses.replace(moved, updates=back)), {"basis": entries, "inner": new}

    return init, update


def _read(flow: Flow) -> Any:
    """What a basis published."""
    if "basis" not in flow.published:
        raise ValueError(
            "in_basis: basis must be one that is made for it, such as kronecker_eigenbasis(ema(0.95)); this one names no axes."
        )
    return flow.published
