"""Division by an average of the Hessian's diagonal, looked at now and then."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.kinds import shown
from gradtx._core.numerics import averaged, cut_off, leafwise
from gradtx._core.random import leaf_keys
from gradtx._core.transformation import transformation
from gradtx._core.trees import path_name
from gradtx._core.types import Count, Decay, Key, Positive, PyTree


@leafwise
def _preconditioned(u: jax.Array, curvature: jax.Array, *, gamma: Any, eps: Any) -> jax.Array:
    return cut_off(u) / jnp.maximum(gamma * curvature, eps)


def hutchinson(value_fn: Callable[[PyTree], jax.Array], params: PyTree, keys: PyTree) -> PyTree:
    """An estimate of the Hessian's diagonal without bias: z ⊙ H z with z ~ N(0, I), for about two gradients."""
    draw = jax.tree.map(lambda param, key: jax.random.normal(key, param.shape, param.dtype), params, keys)
    _, product = jax.jvp(jax.grad(value_fn), (params,), (draw,))
    return jax.tree.map(jnp.multiply, draw, product)


def _handed_in(diagonal: PyTree, like: PyTree) -> PyTree:
    """The caller's tree leaf by leaf, by path, so that leaves which are hidden here may be in it."""
    given = {path_name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(diagonal)}

    def of_leaf(path: Any, leaf: jax.Array) -> jax.Array:
        found = given.get(path_name(path))
        if found is None or jnp.shape(found) != leaf.shape:
            raise ValueError(
                f"scale_by_hessian_diagonal: hessian_diagonal must have a leaf of shape {leaf.shape} at {path_name(path)}, "
                f"got {shown(found)}. Write a tree like the parameters, for example the squared gradient times the batch size."
            )
        return jnp.asarray(found, leaf.dtype)

    return jax.tree_util.tree_map_with_path(of_leaf, like)


@transformation
def scale_by_hessian_diagonal(decay: Decay, gamma: Positive, eps: Positive, key: Key, every: Count = 10) -> Any:
    """Divide by an average of the Hessian's diagonal: u ← u / max(γ h, eps), with h ← β h + (1 − β) ĥ in each `every`-th step.

    ĥ is Hutchinson's estimate z ⊙ H z, z ~ N(0, I), from the extra `value_fn` and the parameters, or the tree that the
    caller hands in as the extra `hessian_diagonal`, such as the Gauss-Newton-Bartlett estimate. Where curvature is not
    positive the divisor is eps; a `clip(1.0)` behind this bounds the step there. (Liu et al. 2023, algorithms 1 and 3.)
    """

    def init(params: PyTree) -> Any:
        return {"average": jax.tree.map(jnp.zeros_like, params)}

    def update(
        updates: PyTree, state: Any, params: PyTree, *, step: jax.Array, value_fn: Any = None, hessian_diagonal: PyTree = None
    ) -> Any:
        if value_fn is None and hessian_diagonal is None:
            raise TypeError(
                "scale_by_hessian_diagonal needs the extra 'value_fn' or 'hessian_diagonal': call update(gradients, state, params, "
                "value_fn=lambda params: loss(params, batch))."
            )

        def refreshed() -> PyTree:
            if hessian_diagonal is not None:
                observed = _handed_in(hessian_diagonal, updates)
            else:
                observed = hutchinson(value_fn, params, leaf_keys(key, step, params))
            return averaged(state["average"], observed, decay=decay)

        average = jax.lax.cond(step % every == 0, refreshed, lambda: state["average"])
        return _preconditioned(updates, average, gamma=gamma, eps=eps), {"average": average}

    return init, update
