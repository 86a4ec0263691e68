"""Random bits that depend on nothing but the key, the step and the leaf's path."""

import zlib
from typing import Any

import jax

from gradtx._core.layouts import is_told
from gradtx._core.trees import path_name
from gradtx._core.types import PyTree


def leaf_key(key: jax.Array, path: tuple[Any, ...]) -> jax.Array:
    """The key of the leaf at `path`."""
    return jax.random.fold_in(key, zlib.crc32(path_name(path).encode()))


def leaf_keys(key: Any, step: jax.Array, tree: PyTree) -> PyTree:
    """A key for each leaf of `tree`, the same whatever the other leaves are."""
    now = jax.random.fold_in(key, step)
    return jax.tree_util.tree_map_with_path(lambda path, _: leaf_key(now, path), tree)


def normal_like(leaf: jax.Array, key: jax.Array) -> jax.Array:
    """Standard normal numbers in the shape and dtype of `leaf`, and in its layout where that is part of its type."""
    sharding = jax.typeof(leaf).sharding
    return jax.random.normal(key, leaf.shape, leaf.dtype, out_sharding=sharding if is_told(sharding) else None)
