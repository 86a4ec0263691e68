"""The problem that laws run on: a small tree of parameters and a loss whose gradient is known everywhere."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.trees import is_trainable
from gradtx._core.types import PyTree


def small_params(dtype: Any = jnp.float32, seed: int = 0) -> dict[str, Any]:
    """A matrix, a vector and a scalar."""
    keys = jax.random.split(jax.random.key(seed), 3)
    shapes = {"w": (4, 3), "b": (3,), "s": ()}
    return {name: jax.random.normal(key, shape).astype(dtype) for key, (name, shape) in zip(keys, shapes.items(), strict=True)}


def like(params: PyTree, dtype: Any, seed: int = 0) -> PyTree:
    """A tree like `params`, in `dtype`, a little elsewhere for each seed."""
    return jax.tree.map(lambda leaf: (jnp.asarray(leaf) * (1 + 0.1 * seed)).astype(dtype) if is_trainable(leaf) else leaf, params)


def loss(params: PyTree) -> jax.Array:
    """A wavy convex bowl with a different curvature for each weight."""
    flat = jnp.concatenate([jnp.ravel(leaf) for leaf in jax.tree.leaves(params) if is_trainable(leaf)] or [jnp.zeros(0)])
    curvature = (jnp.arange(1, flat.size + 1) / max(flat.size, 1)).astype(flat.real.dtype)
    square = jnp.square(jnp.abs(flat - 0.5)) if jnp.iscomplexobj(flat) else (flat - 0.5) ** 2
    return jnp.sum(curvature * square) + 0.1 * jnp.sum(jnp.cos(flat.real))


def vanishing_bowl(params: PyTree) -> jax.Array:
    """A loss with its minimum, and a gradient of zero, at zero."""
    return sum((jnp.sum(leaf * leaf) for leaf in jax.tree.leaves(params) if is_trainable(leaf)), jnp.zeros(()))
