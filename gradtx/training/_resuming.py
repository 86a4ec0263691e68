"""Checkpoints of a training loop in a directory."""

import json
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np

import gradtx as gx
from gradtx._core.types import PyTree
from gradtx.training._checkpoint import save
from gradtx.training._history import History, from_arrays
from gradtx.training._restore import restore
from gradtx.training._restore_batch import parted

KEPT = 3


def in_directory(
    directory: str | pathlib.Path, tx: gx.GradientTransformation, drawn: dict[str, Any]
) -> tuple[Callable[[PyTree], Any], Callable[[PyTree], PyTree | None]]:
    """The two functions that `fit` asks for, with the last checkpoints in files. `drawn` is what decides which batches come."""

    def write(checkpoint: PyTree) -> None:
        history = json.dumps({"records": from_arrays(checkpoint["history"]).to_dicts(), "drawn": drawn})
        state, rest = parted(checkpoint["state"])
        extra = {"history": history, **rest}
        save(directory, step=int(checkpoint["step"]), tx=tx, params=checkpoint["params"], state=state, extra=extra, keep=KEPT)

    def read(like: PyTree) -> PyTree | None:
        state, rest = parted(like["state"])
        try:
            found = restore(directory, tx=tx, params=like["params"], state=state, extra={"history": "", **rest})
        except FileNotFoundError:
            return None
        try:
            kept = json.loads(found.extra.pop("history"))
            before = kept["drawn"]
        except (ValueError, TypeError, KeyError):
            raise ValueError(
                f"fit: {found.path} was not written by fit. Give another directory, or restore it and pass what it holds."
            ) from None
        _check_drawn(directory, before, drawn)
        history = History(tuple(kept["records"]))
        state = {"optimizer": found.state, **found.extra} if rest else found.state
        return {"params": found.params, "state": state, "step": np.int64(found.step or 0), "history": history.to_arrays()}

    return write, read


def _check_drawn(directory: str | pathlib.Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    """Refuse to go on with other batches than those of which the training has seen a part."""
    for name, value in now.items():
        if name in before and before[name] != value:
            raise ValueError(
                f"fit: the training in {directory} began with {name}={before[name]}, and cannot go on with {name}={value}: its batches "
                "would be others than those of the run that was interrupted. Give the same, or another directory."
            )
