"""The gradient, with lengths of channels from an optimizer that runs in few coordinates."""

from typing import Any, Literal

import jax
import jax.numpy as jnp

from gradtx._core.coordinates import in_coordinates, read_basis
from gradtx._core.flow import Flow
from gradtx._core.matrices import gathered
from gradtx._core.numerics import leafwise, root
from gradtx._core.transformation import GradientTransformation, transformation
from gradtx._core.types import Positive, PyTree


def _over(u: jax.Array, before: jax.Array, after: jax.Array, eps: Any, axes: tuple[int, ...]) -> jax.Array:
    far, near = (root(jnp.sum(x * x, axis=axes, keepdims=True)) for x in (after, before))
    return u * (far / (near + eps))


@leafwise
def _by_channel(u: jax.Array, before: jax.Array, after: jax.Array, *, eps: Any) -> jax.Array:
    return _over(u, before, after, eps, (0,) if u.shape[0] < u.shape[1] else (1,))


@leafwise
def _by_leaf(u: jax.Array, before: jax.Array, after: jax.Array, *, eps: Any) -> jax.Array:
    return _over(u, before, after, eps, (0, 1))


@transformation
def scaled_in_basis(
    basis: GradientTransformation, inner: GradientTransformation, eps: Positive = 1e-8, *, per: Literal["channel", "leaf"] = "channel"
) -> Any:
    """Scale each channel of the updates as `inner` scales it in the basis: u_j ← u_j ‖inner(R)_j‖ / (‖R_j‖ + eps), R = Pᵀ u.

    A channel is what shares an index of the longer side; `per="leaf"` has one factor for each leaf. `basis` is `random_basis(...)`
    or another; the direction stays that of u in full rank. Every leaf must be a matrix. (APOLLO: Zhu et al. 2024, arXiv
    2412.05270, algorithm 1.)
    """

    def init(params: PyTree) -> Any:
        entries = basis.init(params)
        seen = jax.eval_shape(lambda: _turned(params, basis.carry(Flow(params, params), entries, params)[0]))
        return {"basis": entries, "inner": inner.init(jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), seen))}

    def update(updates: PyTree, state: Any, params: PyTree = None, *, flow: Flow) -> Any:
        after, entries = basis.carry(Flow(flow.gradient, flow.gradient), state["basis"], params)
        turned = Flow(_turned(flow.updates, after), _turned(flow.gradient, after))
        moved, new = inner.carry(turned, state["inner"], None if params is None else _turned(params, after))
        rule = _by_leaf if per == "leaf" else _by_channel
        scaled = rule(updates, *jax.tree.map(gathered, (turned.updates, moved.updates)), eps=eps)
        return flow.left(moved, moved.downhill).moved(scaled), {"basis": entries, "inner": new}

    return init, update


def _turned(tree: PyTree, flow: Flow) -> PyTree:
    return in_coordinates(tree, jax.lax.stop_gradient(read_basis(flow, "scaled_in_basis")["basis"]), into=True)
