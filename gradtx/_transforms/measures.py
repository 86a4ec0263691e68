"""Measures for `observe`: scalar functions of the updates, the gradient behind them and the parameters."""

import jax
import jax.numpy as jnp

from gradtx._core.numerics import global_norm, widest
from gradtx._core.types import PyTree


def gradient_norm(updates: PyTree, gradient: PyTree, params: PyTree) -> jax.Array:
    """‖g‖ over all leaves together."""
    return global_norm(gradient)


def update_norm(updates: PyTree, gradient: PyTree, params: PyTree) -> jax.Array:
    """‖u‖ over all leaves together."""
    return global_norm(updates)


def update_to_parameter_ratio(updates: PyTree, gradient: PyTree, params: PyTree) -> jax.Array:
    """‖u‖ / ‖θ‖ over all leaves together, 0 where θ is 0. Behind the learning rate about 1e-3 is usual."""
    if params is None:
        raise ValueError("update_to_parameter_ratio needs the parameters: call update(gradients, state, params).")
    of_params = global_norm(params)
    return jnp.where(of_params > 0, global_norm(updates) / jnp.where(of_params > 0, of_params, 1), 0)


def update_gradient_cosine(updates: PyTree, gradient: PyTree, params: PyTree) -> jax.Array:
    """The cosine of the angle between u and g, 0 where one of them is 0. Behind the learning rate steepest descent has −1."""
    of_update, of_gradient = global_norm(updates), global_norm(gradient)
    usable = (of_update > 0) & (of_gradient > 0)
    below, right = jnp.where(usable, of_update, 1), jnp.where(usable, of_gradient, 1)
    dtype = widest(updates)
    products = [
        jnp.sum((u.astype(dtype) / below) * (g.astype(dtype) / right))
        for u, g in zip(jax.tree.leaves(updates), jax.tree.leaves(gradient), strict=True)
    ]
    return sum(products, jnp.zeros((), dtype))


def nonfinite(updates: PyTree, gradient: PyTree, params: PyTree) -> jax.Array:
    """1 where an update is NaN or infinite, else 0. Before `skip_nonfinite`, with `running_sum()`, it counts the steps skipped."""
    return 1.0 - jnp.all(jnp.array([jnp.all(jnp.isfinite(u)) for u in jax.tree.leaves(updates)], bool))
