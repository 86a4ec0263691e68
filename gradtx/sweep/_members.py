"""The members of a sweep: optimizers grouped by structure, each with its own values of the other arguments."""

import dataclasses
import inspect
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from gradtx import GradientTransformation
from gradtx._core.kinds import is_key, shown
from gradtx._core.types import PyTree
from gradtx.sweep._stack import computed_dtype, kind


@dataclasses.dataclass(frozen=True, eq=False)
class Varied:
    """An argument of `train` with a leading axis: one entry for each optimizer, or all of them with each optimizer."""

    tree: PyTree
    crossed: bool


def paired(tree: PyTree) -> Varied:
    """An argument that has one entry for each optimizer, along the leading axis of its leaves."""
    return Varied(tree, crossed=False)


def crossed(tree: PyTree) -> Varied:
    """An argument whose every entry, along the leading axis of its leaves, is combined with every optimizer: random keys, say."""
    return Varied(tree, crossed=True)


@dataclasses.dataclass(frozen=True, eq=False)
class Packed:
    """A tree as NumPy arrays with a leading axis; random keys as their data, with the name of their implementation."""

    leaves: tuple[np.ndarray, ...]
    structure: Any
    impls: tuple[str | None, ...]

    @property
    def count(self) -> int:
        return len(self.leaves[0])

    def at(self, rows: Any) -> "Packed":
        """The entries at these rows."""
        return dataclasses.replace(self, leaves=tuple(leaf[rows] for leaf in self.leaves))

    def tree(self, leaves: Sequence[Any]) -> PyTree:
        """The tree with other leaves, random keys made of their data."""
        pairs = zip(leaves, self.impls, strict=True)
        return self.structure.unflatten([leaf if impl is None else jax.random.wrap_key_data(leaf, impl=impl) for leaf, impl in pairs])


def packed(tree: PyTree) -> Packed:
    leaves, structure = jax.tree.flatten(tree)
    return Packed(
        tuple(_plain(leaf) for leaf in leaves), structure, tuple(str(jax.random.key_impl(x)) if is_key(x) else None for x in leaves)
    )


def _plain(leaf: Any) -> np.ndarray:
    if is_key(leaf):
        return np.asarray(jax.random.key_data(leaf))
    given, array = np.asarray(leaf), np.asarray(leaf).astype(computed_dtype(leaf))
    if given.dtype.kind in "iu" and not np.array_equal(given, array):
        raise ValueError(
            f"sweep: an argument has whole numbers that {array.dtype} does not hold, such as {given[given != array].ravel()[0]}. Write "
            'jax.config.update("jax_enable_x64", True), or smaller ones.'
        )
    return array


@dataclasses.dataclass(frozen=True, eq=False)
class Group:
    """The members of one structure: their numbers in the sweep, and what belongs to each: (optimizer, *varied arguments)."""

    indices: np.ndarray
    own: Packed


@dataclasses.dataclass(frozen=True, eq=False)
class Members:
    """All members of a sweep. `varied` and `names` tell of each argument behind the optimizer if it varies, and what it is called."""

    groups: tuple[Group, ...]
    shared: tuple[PyTree, ...]
    varied: tuple[bool, ...]
    names: tuple[str, ...]
    entries: dict[str, np.ndarray]
    """For each argument that varies, which of its entries a member has."""

    def __len__(self) -> int:
        return sum(len(group.indices) for group in self.groups)

    def own(self, k: int) -> tuple[GradientTransformation, dict[str, PyTree]]:
        """The optimizer of member `k`, its numbers as Python floats, and its varied arguments by name."""
        group = next(group for group in self.groups if k in group.indices)
        row = int(np.flatnonzero(group.indices == k)[0])
        tx, *rest = group.own.tree([_python(leaf[row]) for leaf in group.own.leaves])
        return tx, dict(zip((name for name, varies in zip(self.names, self.varied, strict=True) if varies), rest, strict=True))


def _python(value: Any) -> Any:
    """A scalar as the shortest number that is the same in its dtype."""
    if np.ndim(value):
        return value
    return float(str(value)) if np.issubdtype(value.dtype, np.floating) else value.item()


def plan(train: Callable[..., Any], optimizers: Any, others: tuple[Any, ...]) -> Members:
    """The members that `optimizers` and the varied arguments make together, grouped by structure."""
    batches = list(_batches(optimizers, "optimizers"))
    if not batches:
        raise ValueError("sweep: there are no optimizers; give a batch such as grid(adam, learning_rate=[...]), or a list of optimizers.")
    names = _names(train, len(others))
    varied = {name: other for name, other in zip(names, others, strict=True) if isinstance(other, Varied)}
    trees = {name: _leading(name, other.tree) for name, other in varied.items()}
    total = sum(count for _, count in batches)
    for name, tree in trees.items():
        if not varied[name].crossed and tree.count != total:
            raise ValueError(
                f"sweep: {name} is paired with the optimizers and has {tree.count} entries for {total} of them. "
                "Give one for each, or write crossed(...) for all of them with each optimizer."
            )
    counts = [trees[name].count if varied[name].crossed else 1 for name in trees]
    combined = np.array(list(itertools.product(*map(range, counts))), int).reshape(math.prod(counts), len(trees))
    optimizer = np.repeat(np.arange(total), len(combined))
    entries = {name: np.tile(combined[:, j], total) if varied[name].crossed else optimizer for j, name in enumerate(trees)}
    groups: list[Group] = []
    for leaves, which in _grouped(batches):
        members = (which[:, None] * len(combined) + np.arange(len(combined))).ravel()
        parts = [leaves.at(np.repeat(np.arange(len(which)), len(combined))), *(trees[name].at(entries[name][members]) for name in trees)]
        groups.append(Group(members, _joined(parts)))
    shared = tuple(other for other in others if not isinstance(other, Varied))
    return Members(tuple(groups), shared, tuple(isinstance(other, Varied) for other in others), names, entries)


def by_structure(optimizers: Any) -> list[tuple[np.ndarray, GradientTransformation]]:
    """Optimizers, batches of them or lists of these as one batch for each structure, with the numbers of its members."""
    batches = list(_batches(optimizers, "optimizers"))
    return [(numbers, batch.tree([jax.numpy.asarray(leaf) for leaf in batch.leaves])) for batch, numbers in _grouped(batches)]


def _batches(optimizers: Any, where: str) -> Iterator[tuple[Packed, int]]:
    """Each optimizer or batch of them as a batch, with its length."""
    if not isinstance(optimizers, GradientTransformation):
        if not isinstance(optimizers, list | tuple | Iterator):
            raise TypeError(f"sweep: {where} must be an optimizer, a batch of them, or a list of these, got {shown(optimizers)}.")
        for k, item in enumerate(optimizers):
            yield from _batches(item, f"{where}[{k}]")
        return
    leaves = jax.tree.leaves(optimizers)
    lengths = {np.shape(leaf)[0] if np.shape(leaf) else 0 for leaf in leaves}
    if leaves and all(np.shape(leaf)[:1] == (0,) for leaf in leaves):
        raise ValueError(f"sweep: {where} is a batch without members. Leave it out.")
    if len(lengths) == 1 and 0 not in lengths:
        yield packed(optimizers), lengths.pop()
    else:
        single = packed(optimizers)
        yield dataclasses.replace(single, leaves=tuple(leaf[None] for leaf in single.leaves)), 1


def _grouped(batches: list[tuple[Packed, int]]) -> Iterator[tuple[Packed, np.ndarray]]:
    """The batches of one structure joined, with the numbers of their optimizers."""
    found: dict[Any, list[tuple[Packed, np.ndarray]]] = {}
    start = 0
    for batch, count in batches:
        structure = (batch.structure, batch.impls, tuple(kind(leaf[0]) for leaf in batch.leaves))
        found.setdefault(structure, []).append((batch, np.arange(start, start + count)))
        start += count
    for parts in found.values():
        leaves = tuple(np.concatenate(columns) for columns in zip(*(batch.leaves for batch, _ in parts), strict=True))
        yield dataclasses.replace(parts[0][0], leaves=leaves), np.concatenate([numbers for _, numbers in parts])


def _joined(parts: list[Packed]) -> Packed:
    """Several packed trees as one, a tuple."""
    structure = jax.tree.structure(tuple(part.structure.unflatten(part.leaves) for part in parts))
    leaves = tuple(leaf for part in parts for leaf in part.leaves)
    return Packed(leaves, structure, tuple(impl for part in parts for impl in part.impls))


def _leading(name: str, tree: PyTree) -> Packed:
    """A varied argument, all of whose leaves have the same length."""
    tree = jax.tree.map(lambda leaf: leaf if hasattr(leaf, "dtype") else np.asarray(leaf), tree)
    leaves = jax.tree.leaves(tree)
    foreign = next((leaf for leaf in leaves if not is_key(leaf) and leaf.dtype.kind in "OSUMm"), None)
    if foreign is not None:
        raise TypeError(f"sweep: {name} has entries that are no numbers: {foreign.ravel()[0]!r}. Give an array.")
    lengths = {np.shape(leaf)[0] if np.shape(leaf) else None for leaf in leaves}
    if len(lengths) != 1 or None in lengths or 0 in lengths:
        raise ValueError(
            f"sweep: the leaves of {name} must have a leading axis of the same length, one entry for each member; "
            f"their shapes are {sorted({np.shape(leaf) for leaf in leaves})}. A list is a tree of its items: write np.array([...])."
        )
    return packed(tree)


def _names(train: Callable[..., Any], count: int) -> tuple[str, ...]:
    """What `train` calls its arguments behind the optimizer."""
    try:
        parameters = list(inspect.signature(train).parameters.values())[1:]
    except (TypeError, ValueError):
        parameters = []
    named = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)][:count]
    return (*named, *(f"argument {k}" for k in range(len(named) + 1, count + 1)))
