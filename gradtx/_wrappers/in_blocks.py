"""Large leaves as blocks, each a leaf of its own."""

import itertools
from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.flow import Flow
from gradtx._core.matrices import gathered, placed, whole
from gradtx._core.transformation import GradientTransformation, transformation
from gradtx._core.types import PyTree


def in_blocks(inner: GradientTransformation, size: int | None = None) -> GradientTransformation:
    """Cut axes of more than `size` indices into pieces of `size`, the last one shorter, and run `inner` on each block as on a leaf.

    For methods that cost the square or the cube of an axis: a matrix of (50,000, 1,024) in blocks of 1,024 costs Shampoo 49 pairs
    of small matrices. Norms, ranks and bases are those of a block. Leaves of one block stay as they are. Without a size it is
    `inner` itself. (Anil et al. 2020, arXiv 2002.09018; Shi et al. 2023, arXiv 2309.06497, section 3.2.)
    """
    return inner if size is None else _in_blocks(inner, size)


def _places(shape: tuple[int, ...], size: int) -> dict[str, tuple[slice, ...]]:
    """Where each block lies, by the numbers of its pieces along the axes."""
    pieces = [[slice(begin, min(begin + size, n)) for begin in range(0, max(n, 1), size)] for n in shape]
    numbers = itertools.product(*map(range, map(len, pieces)))
    return {"_".join(map(str, at)): tuple(pieces[axis][k] for axis, k in enumerate(at)) for at in numbers}


def _split(tree: PyTree, size: int) -> PyTree:
    def blocks(leaf: jax.Array) -> Any:
        places = _places(leaf.shape, size)
        seen = leaf if len(places) == 1 else gathered(whole(leaf))
        return leaf if len(places) == 1 else {name: seen[where] for name, where in places.items()}

    return jax.tree.map(blocks, tree)


def _joined(blocks: PyTree, like: PyTree, size: int) -> PyTree:
    def leaf_of(leaf: jax.Array, parts: Any) -> jax.Array:
        places = _places(leaf.shape, size)
        if len(places) == 1:
            return parts
        joined = jnp.zeros(leaf.shape, next(iter(parts.values())).dtype)
        for name, where in places.items():
            joined = joined.at[where].set(parts[name])
        return placed(joined, leaf)

    return jax.tree.map(leaf_of, like, blocks)


@transformation
def _in_blocks(inner: GradientTransformation, size: int) -> Any:
    if size < 1:
        raise ValueError(f"in_blocks: size must be at least 1, got {size}.")

    def init(params: PyTree) -> Any:
        return inner.init(_split(params, size))

    def update(updates: PyTree, state: Any, params: PyTree = None, *, flow: Flow) -> Any:
        visible = None if params is None else _split(params, size)
        moved, state = inner.carry(flow.map(lambda tree: _split(tree, size)), state, visible)
        return moved.map(lambda tree: _joined(tree, updates, size)), state

    def evaluate(params: PyTree, state: Any) -> PyTree:
        return _joined(inner.evaluate(_split(params, size), state), params, size)

    return init, update, evaluate
