"""Which parameter each leaf of a state belongs to, and along which of its axes it runs."""

import dataclasses
import math
import re
from collections.abc import Callable
from typing import Any, final

import jax
import jax.numpy as jnp

import gradtx as gx
from gradtx._core.kinds import shown
from gradtx._core.placement import is_turned
from gradtx._core.trees import is_trainable, path_name
from gradtx._core.types import PyTree

Path = tuple[Any, ...]
Shape = tuple[int, ...]


@final
@dataclasses.dataclass(frozen=True)
class LeafLayout:
    """What one leaf of a state is to the parameters.

    `owner` is the path of its parameter, None for what belongs to all; `axes` has for each axis of the leaf the axes of
    the parameter that it runs along, `()` for none; `shape` and `dtype` are its own. `relation` is `"same"`, axis by axis; `"reduced"`,
    fewer numbers along some axes; `"scalar"`; `"stacked"`, the same numbers with axes in another order or several
    in one, and the counts of layers; `"projected"`, in other coordinates, such as a basis.
    """

    owner: str | None
    relation: str
    axes: tuple[tuple[int, ...], ...]
    shape: Shape
    dtype: Any


def layout(tx: gx.GradientTransformation | Any, params: PyTree) -> PyTree:
    """A tree like `tx.init(params)` that says of each leaf which parameter it belongs to and how their axes relate, as `LeafLayout`s.

    `params` are arrays or `jax.ShapeDtypeStruct`s; nothing is allocated. Owners are read off the paths of the state. Axes are found by
    asking `init` for the state of larger parameters: an axis that grows with one of its owner's runs along it. What
    has the state of another shape only for these sizes, such as a side beyond `max_size`, is matched by size.
    """
    if not isinstance(tx, gx.GradientTransformation):
        raise TypeError(
            f"layout(tx, params): tx must be a transformation of gradtx, got {shown(tx)}. Put another library's into chain(...)."
        )
    params = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(jnp.shape(leaf), jnp.result_type(leaf)) if is_trainable(leaf) else leaf, params)
    owners = _inner_paths(params)
    depth = max((len(shape) for _, shape in owners.values()), default=0)
    leaves, structure = jax.tree_util.tree_flatten_with_path(tx.init(params))
    grown = [[_grown_state(tx, params, from_rank, by) for from_rank in range(depth)] for by in (_twice, _one_more)]

    def described(path: Path, leaf: Any) -> LeafLayout:
        own = next((path[k:] for k in range(len(path) + 1) if path[k:] in owners), None)
        if own is None or (own == () and leaf.shape == ()):
            return LeafLayout(None, "stacked" if leaf.shape else "scalar", ((),) * leaf.ndim, leaf.shape, leaf.dtype)
        name, shape = owners[own]
        found = (_along(leaf.shape, shape, [state.get(_canonical(path)) for state in states]) for states in grown)
        axes = next((axes for axes in found if axes is not None), None) or _by_size(leaf.shape, shape)
        turned = is_turned(path[: len(path) - len(own)], leaf)
        return LeafLayout(name, "projected" if turned else _relation(leaf.shape, shape, axes), axes, leaf.shape, leaf.dtype)

    return structure.unflatten([described(path, leaf) for path, leaf in leaves])


def _inner_paths(params: PyTree) -> dict[Path, tuple[str, Shape]]:
    """Name and shape of the parameter for each path that a slot may have for it: a complex leaf has two."""
    found = dict[Path, tuple[str, Shape]]()
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        if is_trainable(leaf):
            entry = path_name(path), leaf.shape
            both = [(*path, jax.tree_util.DictKey(part)) for part in ("real", "imag")]
            found.update(dict.fromkeys(both if jnp.issubdtype(leaf.dtype, jnp.complexfloating) else [path], entry))
    return found


def _twice(size: int) -> int:
    return 2 * size


def _one_more(size: int) -> int:
    return size + 1


def _order(shape: Shape) -> list[int]:
    """The axes from the shortest to the longest; of equally long ones the first is first."""
    return sorted(range(len(shape)), key=lambda axis: shape[axis])


def _grown_state(tx: gx.GradientTransformation, params: PyTree, from_rank: int, by: Callable[[int], int]) -> dict[str, Shape]:
    """The shapes of the state for parameters whose axes are larger, all but the `from_rank` shortest, so that their order stays."""

    def grown(leaf: Any) -> Any:
        if not is_trainable(leaf):
            return leaf
        longest = _order(leaf.shape)[from_rank:]
        return jax.ShapeDtypeStruct([by(n) if axis in longest else n for axis, n in enumerate(leaf.shape)], leaf.dtype)

    try:
        state = tx.init(jax.tree.map(grown, params))
    except (TypeError, ValueError):  # a rule of the user's that is made for these shapes alone
        return {}
    return {_canonical(path): leaf.shape for path, leaf in jax.tree_util.tree_leaves_with_path(state)}


def _canonical(path: Path) -> str:
    """The path without the number of layers, by which `layerwise` names its stacks."""
    return re.sub(r"(^|/)stack_\d+(?=/)", r"\1stack", path_name(path))


def _along(leaf: Shape, owner: Shape, grown: list[Shape | None]) -> tuple[tuple[int, ...], ...] | None:
    """For each axis of the leaf the axes of the owner that it grew with: one fewer grows from each of the states to the next."""
    ranks = _order(owner)
    seen = grown[: len(ranks)]
    if any(shape is None or len(shape) != len(leaf) for shape in seen):
        return None
    if any(more > size * 2 ** len(ranks) for shape in seen if shape for size, more in zip(leaf, shape, strict=True)):
        return None  # it turned, as what runs along the longer side of a square does

    def axes(k: int) -> tuple[int, ...]:
        times = [_doublings(shape[k] / max(leaf[k], 1)) for shape in seen if shape is not None] + [0]
        return tuple(sorted(ranks[rank] for rank in range(len(ranks)) if times[rank] > times[rank + 1]))

    return tuple(axes(k) for k in range(len(leaf)))


def _doublings(growth: float) -> int:
    return max(1, round(math.log2(growth))) if growth > 1 else 0


def _by_size(leaf: Shape, owner: Shape) -> tuple[tuple[int, ...], ...]:
    """For each axis of the leaf the next axis of the owner that has its size."""
    axes, left = list[tuple[int, ...]](), list(range(len(owner)))
    for size in leaf:
        found = next((axis for axis in left if owner[axis] == size), None)
        axes.append(() if found is None else (found,))
        left = left if found is None else [axis for axis in left if axis > found]
    return tuple(axes)


def _relation(leaf: Shape, owner: Shape, axes: tuple[tuple[int, ...], ...]) -> str:
    flat = [axis for each in axes for axis in each]
    if leaf == () and owner != ():
        return "scalar"
    if leaf == owner and flat == list(range(len(owner))):
        return "same"
    if sorted(flat) == list(range(len(owner))) and math.prod(leaf) == math.prod(owner):
        return "stacked"
    unique = len(set(flat)) == len(flat) and sorted(flat) == flat
    known = all(len(each) == 1 or leaf[k] == 1 for k, each in enumerate(axes))
    smaller = all(leaf[k] <= owner[axis] for k, each in enumerate(axes) for axis in each)
    return "reduced" if unique and known and smaller else "projected"
