"""Scalars that are measured over a whole tree: no leaf travels for them, only its sum."""

import jax
import jax.numpy as jnp

from gradtx._core.numerics import global_norm, largest_root, leafwise, widest
from gradtx._core.types import PyTree


@leafwise
def difference(x: jax.Array, y: jax.Array) -> jax.Array:
    return x - y


def copied(tree: PyTree) -> PyTree:
    """The tree in memory of its own: where a method remembers its start, parameters and state may both be donated."""
    return jax.tree.map(lambda leaf: jnp.array(leaf, copy=True), tree)


def distance(x: PyTree, y: PyTree) -> jax.Array:
    """‖x − y‖, at most `largest_root`, so that it can be squared."""
    norm = global_norm(difference(x, y))
    return jnp.minimum(norm, largest_root(norm.dtype))


def bounded_norm(tree: PyTree) -> tuple[jax.Array, jax.Array]:
    """‖x‖ cut off at `largest_root`, and the factor that makes x as small as that: 1 for any but a huge x."""
    norm = global_norm(tree)
    bound = jnp.asarray(largest_root(norm.dtype), norm.dtype)
    return jnp.minimum(norm, bound), bound / jnp.maximum(norm, bound)


def dot(x: PyTree, y: PyTree) -> jax.Array:
    """⟨x, y⟩, the sum over all leaves, in the widest dtype among them."""
    dtype = widest(x)
    products = jax.tree.map(lambda a, b: jnp.sum(a.astype(dtype) * b.astype(dtype)), x, y)
    return sum(jax.tree.leaves(products), jnp.zeros((), dtype))


def taxicab_norm(tree: PyTree) -> jax.Array:
    """‖x‖₁, the sum of all sizes."""
    dtype = widest(tree)
    return sum((jnp.sum(jnp.abs(leaf.astype(dtype))) for leaf in jax.tree.leaves(tree)), jnp.zeros((), dtype))


def ratio(above: jax.Array, below: jax.Array) -> jax.Array:
    """above / below, and 0 with derivatives 0 where `below` is 0."""
    return jnp.where(below > 0, above / jnp.where(below > 0, below, 1), 0)
