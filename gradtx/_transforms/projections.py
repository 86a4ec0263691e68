"""Weights that stay in a convex set: where a step leads out of it, it leads to the nearest point of it instead."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.joint import exceeds
from gradtx._core.matrices import over_norm
from gradtx._core.numerics import cut_off, leafwise
from gradtx._core.transformation import GradientTransformation, stateless, transformation
from gradtx._core.trees import path_name
from gradtx._core.types import Number, Positive, PyTree


def _onto_simplex(x: jax.Array, total: Any, axes: tuple[int, ...]) -> jax.Array:
    """The nearest x ≥ 0 with Σ x = total: max(x − τ, 0), with τ by Michelot's algorithm, which sorts nothing and moves no element.

    What is below τ is dropped until nothing is, at most once for each element and a few times in practice. Shifting x changes nothing, so
    its largest element is made 0, and what is below −total may be −total.
    """
    x = jnp.maximum(x - jax.lax.stop_gradient(jnp.max(x, axis=axes, keepdims=True, initial=-jnp.inf)), -total)
    still, still_total = jax.lax.stop_gradient(x), jax.lax.stop_gradient(total)

    def threshold(x: jax.Array, total: Any, active: jax.Array) -> jax.Array:
        number = jnp.sum(active, axis=axes, keepdims=True, dtype=x.dtype)
        return (jnp.sum(jnp.where(active, x, 0), axis=axes, keepdims=True) - total) / number

    def drop(carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        active, _ = carry
        kept = active & (still > threshold(still, still_total, active))
        return kept, jnp.any(kept != active)

    active, _ = jax.lax.while_loop(lambda carry: carry[1], drop, (jnp.ones_like(x, bool), jnp.array(True)))
    return jnp.where(active, x - threshold(x, total, active), 0)


Projection = Callable[[jax.Array, Any, tuple[int, ...]], tuple[Any, jax.Array]]
"""From a point, a size and the axes it is taken over: whether the point is inside, and the nearest one that is, if not."""


def _simplex(x: jax.Array, scale: Any, axes: tuple[int, ...]) -> tuple[Any, jax.Array]:
    return jnp.array(False), _onto_simplex(x, scale, axes)


def _l1_ball(x: jax.Array, scale: Any, axes: tuple[int, ...]) -> tuple[Any, jax.Array]:
    size = jnp.abs(x)
    return jnp.sum(size / scale, axis=axes, keepdims=True) <= 1, jnp.sign(x) * _onto_simplex(size, scale, axes)


def _l2_ball(x: jax.Array, scale: Any, axes: tuple[int, ...]) -> tuple[Any, jax.Array]:
    return jnp.sum(jnp.square(x / scale), axis=axes, keepdims=True) <= 1, scale * over_norm(x, 0, axes=axes)


@functools.cache
def _step_into(projection: Projection, axis: int | None) -> Callable[..., PyTree]:
    @leafwise
    def step(u: jax.Array, param: jax.Array, *, scale: Any) -> jax.Array:
        inside, nearest = projection(param + cut_off(u), scale, tuple(range(u.ndim)) if axis is None else (axis,))
        return jnp.where(inside, u, nearest.reshape(u.shape) - param)

    return step


def _into(projection: Projection, scale: Any, axis: int | None, part: str) -> GradientTransformation:
    def apply(updates: PyTree, params: PyTree) -> PyTree:
        for path, u in jax.tree_util.tree_leaves_with_path(updates):
            if axis is not None and not -u.ndim <= axis < u.ndim:
                raise ValueError(
                    f"{part}: the leaf at {path_name(path)} has shape {u.shape} and no axis {axis}. Choose the leaves that have it with "
                    f"masked(where, {part}(...)), or take leaves whole: axis=None."
                )
        return _step_into(projection, axis)(updates, params, scale=scale)

    return stateless(apply)


@leafwise
def _in_box(u: jax.Array, param: jax.Array, *, lower: Any, upper: Any) -> jax.Array:
    moved = param + u
    return jnp.where(moved < lower, lower - param, jnp.where(moved > upper, upper - param, u))


@leafwise
def _non_negative(u: jax.Array, param: jax.Array) -> jax.Array:
    return jnp.where(param + u < 0, -param, u)


@transformation(uphill=False)
def projection_non_negative() -> Any:
    """Keep weights from becoming negative: θ + u ← max(θ + u, 0).

    The last part of a chain, behind the learning rate: projected gradient descent. It needs the parameters. `masked` chooses leaves:
    `chain(adam(1e-3), masked("*/rates", projection_non_negative()))`. What Optax calls `keep_params_nonnegative`.
    """
    return stateless(lambda updates, params: _non_negative(updates, params))


def _ordered(lower: Any, upper: Any) -> None:
    if exceeds(lower, upper):
        raise ValueError(f"lower={lower} is above upper={upper}, so that no weight is between them.")


@transformation(uphill=False, check=_ordered)
def projection_box(lower: Number, upper: Number) -> Any:
    """Keep each weight between two numbers: θ + u ← min(max(θ + u, lower), upper), to rounding.

    The last part of a chain, behind the learning rate; it needs the parameters. `masked` chooses leaves.
    """
    return stateless(lambda updates, params: _in_box(updates, params, lower=lower, upper=upper))


@transformation(uphill=False)
def projection_simplex(scale: Positive = 1.0, axis: int | None = None) -> Any:
    """Keep weights positive and their sum at `scale`: θ + u ← max(θ + u − τ, 0), the nearest point with Σ = scale.

    Each leaf by itself: whole (None), or each slice along `axis`, such as the rows of a transition matrix with -1. The first step
    arrives there from anywhere. The last part of a chain, behind the learning rate; it needs the parameters, and `masked` chooses
    leaves. It compares and adds, and sorts nothing. (Michelot 1986; Duchi et al. 2008, "Efficient projections onto the ℓ1-ball".)
    """
    return _into(_simplex, scale, axis, "projection_simplex")


@transformation(uphill=False)
def projection_l1_ball(scale: Positive = 1.0, axis: int | None = None) -> Any:
    """Keep the sum of sizes at most `scale`: θ + u ← sign(θ + u) max(|θ + u| − τ, 0) where Σ |θ + u| > scale. Many become 0.

    Each leaf by itself: whole (None), or each slice along `axis`. The last part of a chain, behind the learning rate; it needs the
    parameters, and `masked` chooses leaves. (Duchi et al. 2008, "Efficient projections onto the ℓ1-ball".)
    """
    return _into(_l1_ball, scale, axis, "projection_l1_ball")


@transformation(uphill=False)
def projection_l2_ball(scale: Positive = 1.0, axis: int | None = None) -> Any:
    """Keep the Euclidean norm at most `scale`: θ + u ← (θ + u) min(1, scale / ‖θ + u‖). With an axis it is the max-norm constraint.

    Each leaf by itself: whole (None), or each slice along `axis`, such as the weights into each unit of an (in, out) kernel with 0
    (Srivastava et al. 2014, beside dropout, with a scale of 3 or 4). The last part of a chain, behind the learning rate; it needs
    the parameters, and `masked` chooses leaves. `retract_to_sphere` keeps norms constant.
    """
    return _into(_l2_ball, scale, axis, "projection_l2_ball")
