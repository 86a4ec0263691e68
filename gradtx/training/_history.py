"""What was measured during training, as a value."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any, final

import numpy as np


@final
@dataclasses.dataclass(frozen=True)
class History:
    """Records in the order of their steps, each a dict of numbers; `history["value"]` is the array of one name.

    It was measured after `history.steps("value")`.

    `bool(history)` says whether there are any, `len` how many.
    """

    records: tuple[Mapping[str, float], ...] = ()

    def __eq__(self, other: object) -> bool:
        """Equal records; NaN equals NaN, so that a run that was resumed can be compared with a whole one."""
        return isinstance(other, History) and len(self) == len(other) and all(map(_same_record, self.records, other.records))

    def __len__(self) -> int:
        return len(self.records)

    @property
    def names(self) -> list[str]:
        """What was measured, in the order of its first appearance."""
        return list(dict.fromkeys(name for record in self.records for name in record if name != "step"))

    def __getitem__(self, name: str) -> np.ndarray:
        return np.array([record[name] for record in self._with(name)])

    def steps(self, name: str) -> np.ndarray:
        """How many steps were taken when each number of `name` was measured."""
        return np.array([int(record["step"]) for record in self._with(name)])

    def _with(self, name: str) -> list[Mapping[str, float]]:
        found = [record for record in self.records if name in record]
        if not found and self.records:
            raise KeyError(f"The history has no {name!r}. It has: {', '.join(self.names)}.")
        return found

    def to_dicts(self) -> list[dict[str, float]]:
        """One plain dict for each record, with its `step`: for JSON, or `pandas.DataFrame(...)`."""
        return [dict(record) for record in self.records]

    def plot(self, *names: str, ax: Any = None) -> Any:
        """Draw the named curves over the steps (all without names) and return the axes. It needs matplotlib."""
        if ax is None:
            try:
                from matplotlib import pyplot
            except ImportError as error:
                raise ImportError('History.plot needs matplotlib: pip install "gradtx[plot]".') from error
            ax = pyplot.subplots(figsize=(7, 4), layout="constrained")[1]
        for name in names or self.names:
            ax.plot(self.steps(name), self[name], marker="." if len(self[name]) < 30 else "", label=name)
        ax.set_xlabel("step")
        ax.legend(frameon=False)
        ax.spines[["top", "right"]].set_visible(False)
        return ax

    def extended(self, record: Mapping[str, float]) -> "History":
        """This history with one record more."""
        return History((*self.records, record))

    def to_arrays(self) -> dict[str, dict[str, np.ndarray]]:
        """Steps and numbers of each name, for a checkpoint."""
        return {name: {"step": self.steps(name), "number": self[name]} for name in self.names}


def from_arrays(columns: Mapping[str, Mapping[str, Any]]) -> History:
    """The history that `to_arrays` wrote."""
    records: dict[int, dict[str, float]] = {}
    for name, column in columns.items():
        for step, number in zip(np.asarray(column["step"]).tolist(), np.asarray(column["number"]).tolist(), strict=True):
            records.setdefault(step, {"step": step})[name] = number
    return History(tuple(records[step] for step in sorted(records)))


def early_stop(name: str, patience: int, least: float = 0.0, larger: bool = False) -> Callable[[History], bool]:
    """Stop when `name` has not got better by more than `least` for `patience` records, for `fit(..., stop=...)`.

    Smaller is better unless `larger`. NaN and infinity are no improvement. It is a function of the history alone, so that a run
    which continues from a checkpoint stops where it would have stopped.
    """
    if patience < 1 or least < 0:
        raise ValueError(f"early_stop: patience must be at least 1 and least at least 0, got {patience!r} and {least!r}.")

    def stop(history: History) -> bool:
        best, since = np.inf, 0
        for number in _signed(history[name], larger):
            better = np.isfinite(number) and number < best - least
            best, since = (number, 0) if better else (best, since + 1)
        return since >= patience

    return stop


def _signed(numbers: np.ndarray, larger: bool) -> Iterable[float]:
    return (-numbers if larger else numbers).tolist()


def _same_record(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name], equal_nan=True) for name in one)
