"""What came of a sweep: its members with their hyperparameters and metrics."""

import csv
import dataclasses
import functools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradtx import GradientTransformation
from gradtx._core.kinds import is_whole, shown
from gradtx._core.trees import path_name
from gradtx._core.types import PyTree
from gradtx.sweep._members import Members

OWN = ("member", "diverged")
"""Columns that every table has: nothing else may be called so."""


@dataclasses.dataclass(frozen=True, eq=False)
class Member:
    """One member of a sweep: its optimizer, its entries of the other arguments that vary, and what `train` returned."""

    index: int
    optimizer: GradientTransformation
    arguments: dict[str, PyTree]
    metrics: PyTree
    diverged: bool

    def __str__(self) -> str:
        scalars = {name: leaf for name, leaf in named_leaves(self.metrics).items() if np.ndim(leaf) == 0}
        figures = ", ".join(f"{name} {leaf:.6g}" for name, leaf in scalars.items())
        return f"member {self.index}: {self.optimizer}" + (f", {figures}" if figures else "") + (", diverged" if self.diverged else "")


@dataclasses.dataclass(frozen=True, eq=False)
class Results:
    """The members of a sweep in the order they were given, and their metrics: the tree that `train` returns, with a leading axis.

    `len`, iteration and `results[k]` go by member. Of a curve the last value counts where one number is asked for.
    """

    members: Members
    metrics: PyTree

    def __len__(self) -> int:
        return len(self.members)

    def __getitem__(self, k: int) -> Member:
        if not -len(self) <= k < len(self):
            raise IndexError(f"there are {len(self)} members, got the index {k}.")
        k = int(k) % len(self)
        tx, arguments = self.members.own(k)
        return Member(k, tx, arguments, jax.tree.map(lambda leaf: leaf[k], self.metrics), bool(self.diverged[k]))

    def __iter__(self) -> Iterator[Member]:
        return (self[k] for k in range(len(self)))

    def __str__(self) -> str:
        lost = int(self.diverged.sum())
        return f"{len(self)} members in {len(self.members.groups)} structures, {lost} diverged; metrics: {', '.join(self.curves)}"

    @functools.cached_property
    def diverged(self) -> np.ndarray:
        """Of each member, whether there is a NaN or an infinity in any of its metrics."""
        found = np.zeros(len(self), bool)
        for leaf in self.curves.values():
            if jnp.issubdtype(leaf.dtype, np.inexact):
                found |= ~np.isfinite(leaf.astype(np.float32) if leaf.dtype.itemsize < 4 else leaf).reshape(len(self), -1).all(axis=1)
        return found

    @functools.cached_property
    def curves(self) -> dict[str, np.ndarray]:
        """The leaves of the metrics by path; `value` where `train` returns one number."""
        return named_leaves(self.metrics)

    def curve(self, metric: str) -> np.ndarray:
        """One of the metrics by its path, a row for each member."""
        if metric not in self.curves:
            raise KeyError(f"there is no metric {metric!r}; train returned {', '.join(self.curves)}.")
        return self.curves[metric]

    def final(self, metric: str) -> np.ndarray:
        """One number for each member: the metric, or the last value of a curve."""
        values = self.curve(metric)
        return values.reshape(len(self), -1)[:, -1] if values.ndim <= 2 else _refuse(metric, values)

    @functools.cached_property
    def hyperparameters(self) -> dict[str, list[Any]]:
        """Columns of what members differ in: their optimizer, where there are several structures; numbers by path; entries of arguments.

        None where a member has no such number. A random key or an array stands as the number of its entry. An argument that is called like
        a number of an optimizer is `arguments/` and its name.
        """
        groups, count = self.members.groups, len(self)
        columns: dict[str, list[Any]] = {}
        taken = {*OWN, "optimizer", *(name for group in groups for name in _numbers(group))}
        for label, group in zip(_labels([g.own.tree(g.own.leaves)[0] for g in groups]), groups, strict=True):
            numbered = group.own.structure.unflatten(range(len(group.own.leaves)))
            named = {"optimizer": [label] * len(group.indices)} if len(groups) > 1 else {}
            named |= {name: [_shortest(value) for value in group.own.leaves[j]] for name, j in _numbers(group).items()}
            varied = [name for name, varies in zip(self.members.names, self.members.varied, strict=True) if varies]
            for argument, tree in zip(varied, numbered[1:], strict=True):
                for name, values in self._argument(argument, tree, group).items():
                    named[f"arguments/{name}" if name in taken else name] = values
            for name, values in named.items():
                column = columns.setdefault(name, [None] * count)
                for k, value in zip(group.indices, values, strict=True):
                    column[k] = value
        return columns

    def _argument(self, name: str, tree: PyTree, group: Any) -> dict[str, list[Any]]:
        leaves = jax.tree_util.tree_leaves_with_path(tree)
        plain = all(group.own.leaves[j].ndim == 1 and group.own.impls[j] is None for _, j in leaves)
        if not plain:
            return {name: self.members.entries[name][group.indices].tolist()}
        return {f"{name}/{path_name(path)}" if path else name: [_shortest(value) for value in group.own.leaves[j]] for path, j in leaves}

    @functools.cached_property
    def varied(self) -> dict[str, list[Any]]:
        """The hyperparameters that are not the same in all members."""
        return {name: column for name, column in self.hyperparameters.items() if any(value != column[0] for value in column)}

    def top(self, k: int, metric: str, *, largest: bool = False) -> list[Member]:
        """The `k` members with the least final value of the metric (or the largest), best first, without those that diverged."""
        if not is_whole(k) or k < 0:
            raise ValueError(f"top: k must be a whole number of at least 0, got {k!r}.")
        values = self.final(metric).astype(np.float64)
        order = np.argsort(-values if largest else values, kind="stable")
        return [self[int(j)] for j in order if not self.diverged[j] and np.isfinite(values[j])][:k]

    def best(self, metric: str, *, largest: bool = False) -> Member:
        """The member with the least final value of the metric (or the largest) among those that did not diverge."""
        top = self.top(1, metric, largest=largest)
        if not top:
            raise ValueError(f"all {len(self)} members diverged; there is no best. Try smaller learning rates.")
        return top[0]

    def to_dicts(self) -> list[dict[str, Any]]:
        """A dict for each member: hyperparameters, metrics (curves as lists), and `diverged`.

        A metric that is called like a hyperparameter is `metrics/` and its name.
        """
        columns = {"member": list(range(len(self))), **self.hyperparameters}
        columns.update({self._column(name): leaf.tolist() for name, leaf in self.curves.items()}, diverged=self.diverged.tolist())
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def _column(self, metric: str) -> str:
        """What a metric is called beside the hyperparameters."""
        taken = {*OWN, *self.hyperparameters, *(name for name in self.curves if name != metric)}
        while metric in taken:
            metric = f"metrics/{metric}"
        return metric

    def to_pandas(self) -> Any:
        """A data frame with a row for each member, curves as lists. Needs pandas."""
        try:
            import pandas  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise ImportError('to_pandas needs pandas: pip install "gradtx[pandas]". to_dicts and to_csv need nothing.') from error
        return pandas.DataFrame(self.to_dicts()).set_index("member")

    def to_csv(self, file: str | os.PathLike[str]) -> None:
        """Write a table with a line for each member; of curves the last value. Matrices are for `to_json`."""
        rows = [
            {**row, **{self._column(name): self.final(name)[k].item() for name in self.curves}} for k, row in enumerate(self.to_dicts())
        ]
        with open(file, "w", newline="", encoding="utf-8") as out:
            writer = csv.DictWriter(out, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)

    def to_json(self, file: str | os.PathLike[str]) -> None:
        """Write the dicts of the members as JSON, curves in full. NaN and infinities, which JSON does not have, become null."""
        Path(file).write_text(json.dumps(_finite(self.to_dicts()), indent=1, allow_nan=False), encoding="utf-8")


def named_leaves(metrics: PyTree) -> dict[str, Any]:
    """The leaves of metrics by path."""
    found = dict[str, Any]()
    for path, leaf in jax.tree_util.tree_leaves_with_path(metrics):
        name = path_name(path) if path else "value"
        if name in found:
            raise ValueError(f"sweep: train returned two metrics that are called {name!r}. Give one of them another name.")
        found[name] = leaf
    return found


def _refuse(metric: str, values: np.ndarray) -> Any:
    raise ValueError(f"{metric} is {shown(values[0])} for each member, neither a number nor a curve. Return a scalar of it from train.")


def _numbers(group: Any) -> dict[str, int]:
    """The numbers of a group's optimizers by their paths: the places of the leaves that have one for each member."""
    own = group.own.structure.unflatten(range(len(group.own.leaves)))[0]
    return {path_name(path): j for path, j in jax.tree_util.tree_leaves_with_path(own) if group.own.leaves[j].ndim == 1}


def _labels(batches: list[GradientTransformation]) -> list[str]:
    """The names of the factories; whole calls, numbers left out, where two structures share theirs."""
    names = [tx.form.name for tx in batches]
    return [name if names.count(name) == 1 else _skeleton(tx) for name, tx in zip(names, batches, strict=True)]


def _skeleton(value: Any) -> str:
    if hasattr(value, "written"):
        return value.written(_skeleton)
    return "·" if isinstance(value, np.ndarray | jax.Array) else str(value)


def _shortest(value: Any) -> Any:
    return float(str(value)) if np.issubdtype(value.dtype, np.floating) else value.item()


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
