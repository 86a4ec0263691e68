"""Large leaves as blocks, each a leaf of its own."""

import itertools
from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.flow import Flow
from gradtx._core.layouts import placed, whole
from gradtx._core.matrices import gathered
from gradtx._core.transformation import GradientTransformation, transformation
from gradtx._core.types import PyTree


def in_blocks(inner: GradientTransformation, size: int | None = None) -> GradientTransformation:
    """Cut axes of more than `size` indices into pieces of `size`, the last one shorter, and run `inner` on each block as on a leaf.

    For methods that cost the square or the cube of an axis: a matrix of (50,000, 1,024) in blocks of 1,024 costs Shampoo 49 pairs
    of small matrices. Norms, ranks and bases are those of a block. Leaves of one block stay as they are. Without a size it is
    `inner` itself. (Anil et al. 2020, arXiv 2002.09018; Shi et al. 2023, arXiv 2309.06497, section 3.2.)
    """
    return inner if size is None else _in_blocks(inner, size)


def _places(shape: tuple[int, ...], size: int) -> dict[str, tuple[Any, ...]]:
    """Where each block lies, by the numbers of its pieces along the axes; `whole` for a leaf that is not cut."""
    if all(n <= size for n in shape):
        return {"whole": (...,)}
    pieces = [[slice(begin, min(begin + size, n)) for begin in range(0, max(n, 1), size)] for n in shape]
    numbers = itertools.product(*map(range, map(len, pieces)))
    return {f"block_{'_'.join(map(str, at))}": tuple(pieces[axis][k] for axis, k in enumerate(at)) for at in numbers}


def _split(tree: PyTree, size: int) -> dict[str, PyTree]:
    """For each block a tree like this one, with None where a leaf has no such block."""
    leaves, structure = jax.tree.flatten(tree)
    places = [_places(leaf.shape, size) for leaf in leaves]
    seen = [leaf if "whole" in own else gathered(whole(leaf)) for leaf, own in zip(leaves, places, strict=True)]
    names = dict.fromkeys(name for own in places for name in own)
    pairs = list(zip(seen, places, strict=True))
    return {name: structure.unflatten([_cut(leaf, own[name]) if name in own else None for leaf, own in pairs]) for name in names}


def _cut(leaf: jax.Array, where: tuple[Any, ...]) -> jax.Array:
    return leaf if where == (...,) else leaf[where]


def _joined(blocks: dict[str, PyTree], like: PyTree, size: int) -> PyTree:
    leaves, structure = jax.tree.flatten(like)
    columns = {name: structure.flatten_up_to(tree) for name, tree in blocks.items()}
    return structure.unflatten([_leaf(leaf, {name: column[k] for name, column in columns.items()}, size) for k, leaf in enumerate(leaves)])


def _leaf(like: jax.Array, parts: dict[str, Any], size: int) -> jax.Array:
    places = _places(like.shape, size)
    if "whole" in places:
        return parts["whole"]
    joined = jnp.zeros(like.shape, like.dtype)
    for name, where in places.items():
        joined = joined.at[where].set(parts[name])
    return placed(joined, like)


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
