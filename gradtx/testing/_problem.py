"""The problem that laws run on: a small tree of parameters and losses whose gradients are known everywhere."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.apply import apply_updates
from gradtx._core.numerics import widened
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


def _reals(params: PyTree) -> list[jax.Array]:
    """The trained leaves as real arrays of one wide dtype."""
    leaves = [jnp.asarray(leaf) for leaf in jax.tree.leaves(params) if is_trainable(leaf)]
    parts = [part for leaf in leaves for part in ((leaf.real, leaf.imag) if jnp.iscomplexobj(leaf) else (leaf,))]
    wide = jnp.float32
    for part in parts:
        wide = jnp.promote_types(wide, widened(part.dtype))
    return [part.astype(wide) for part in parts]


def loss(params: PyTree) -> jax.Array:
    """A wavy convex bowl with a different curvature for each weight."""
    flat = jnp.concatenate([jnp.ravel(leaf) for leaf in _reals(params)] or [jnp.zeros(0)])
    curvature = (jnp.arange(1, flat.size + 1) / max(flat.size, 1)).astype(flat.dtype)
    return jnp.sum(curvature * (flat - 0.5) ** 2) + 0.1 * jnp.sum(jnp.cos(flat))


def bowl(params: PyTree) -> jax.Array:
    """The squared distance from zero: a loss that works on each leaf where it lies, with a gradient of zero at zero."""
    squares = [jnp.sum(leaf * leaf) for leaf in _reals(params)]
    return jnp.sum(jnp.stack(squares)) if squares else jnp.zeros(())


def slope(params: PyTree, loss: Callable[[PyTree], jax.Array] = loss) -> PyTree:
    """The gradient of a loss: zero for integers and bools, None for random keys."""
    leaves, structure = jax.tree.flatten(params)
    trained = [leaf if is_trainable(leaf) else None for leaf in leaves]

    def of_trained(trained: list[Any]) -> jax.Array:
        return loss(structure.unflatten([leaf if own is None else own for leaf, own in zip(leaves, trained, strict=True)]))

    grads = jax.grad(of_trained)(trained)
    return structure.unflatten([_none(leaf) if own is None else own for leaf, own in zip(leaves, grads, strict=True)])


def _none(leaf: Any) -> jax.Array | None:
    return None if jnp.issubdtype(jnp.result_type(leaf), jax.dtypes.prng_key) else jnp.zeros_like(leaf)


gradient = jax.jit(slope, static_argnames="loss")
"""The same, compiled once for all transformations."""

gradients = jax.jit(jax.vmap(slope))
"""The gradient for each of a batch of parameters."""

moved = jax.jit(apply_updates)
"""Parameters after updates, compiled once for all transformations."""
