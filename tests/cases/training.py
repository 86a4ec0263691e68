"""The problem that tests of the tables run their factories on."""

from typing import Any

import jax
import jax.numpy as jnp

import gradtx as gx
from gradtx import GradientTransformation


def make_params(dtype: Any = jnp.float32, seed: int = 0) -> dict[str, Any]:
    keys = jax.random.split(jax.random.key(seed), 3)
    return {
        "w": jax.random.normal(keys[0], (4, 3)).astype(dtype),
        "b": jax.random.normal(keys[1], (3,)).astype(dtype),
        "s": jax.random.normal(keys[2], ()).astype(dtype),
    }


def loss(params: Any) -> jax.Array:
    """A wavy convex bowl with a different curvature for each weight."""
    leaves = [jnp.ravel(leaf) for leaf in jax.tree.leaves(params) if jnp.issubdtype(jnp.asarray(leaf).dtype, jnp.inexact)]
    if not leaves:
        return jnp.zeros(())
    flat = jnp.concatenate(leaves)
    curvature = (jnp.arange(1, flat.size + 1) / flat.size).astype(flat.dtype)
    return jnp.sum(curvature * (flat - 0.5) ** 2) + 0.1 * jnp.sum(jnp.cos(flat))


def step(tx: GradientTransformation, params: Any, state: Any, dtype: Any = None) -> tuple[Any, Any, Any]:
    """One step of training; gradients in `dtype` where given."""
    grads = jax.grad(loss)(params)
    if dtype is not None:
        grads = jax.tree.map(lambda g: g.astype(dtype), grads)
    updates, state = tx.update(grads, state, params, value_fn=loss)
    return gx.apply_updates(params, updates), state, updates


def train(tx: GradientTransformation, params: Any, steps: int) -> Any:
    """The parameters and the state after `steps` steps, by scan."""

    def body(carry: Any, _: None) -> tuple[Any, None]:
        params, state, _ = step(tx, *carry)
        return (params, state), None

    return jax.lax.scan(body, (params, tx.init(params)), None, length=steps)[0]
