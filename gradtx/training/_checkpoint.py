"""Saving a training run."""

import pathlib
from typing import Any, Literal, cast

import jax
import numpy as np

from gradtx import GradientTransformation, to_spec
from gradtx._core.kinds import is_whole
from gradtx._core.trees import structure_as_text
from gradtx._core.types import PyTree
from gradtx.training._checkpoint_directory import (
    FILE,
    ORBAX,
    checkpoint_path,
    checkpoints,
    is_single,
    remove_older,
    remove_other_format,
    write_atomically,
)
from gradtx.training._checkpoint_errors import DamagedCheckpointError
from gradtx.training._checkpoint_file import read_file, write_file
from gradtx.training._checkpoint_leaves import SavedLeaf, saved_leaves
from gradtx.training._checkpoint_orbax import check_orbax, read_orbax_header, save_orbax

TREES = ("params", "state", "extra")


def save(
    path: str | pathlib.Path,
    *,
    step: int | None = None,
    tx: GradientTransformation | None = None,
    params: PyTree = None,
    state: PyTree = None,
    extra: PyTree = None,
    keep: int | None = None,
    format: Literal["npz", "orbax"] = "npz",
    wait: bool = True,
) -> pathlib.Path:
    """Write a checkpoint, all of it or nothing, and return its path. `restore` reads it.

    `path` is a directory, which gets a file for each step, or one file that ends in `.npz`. In a directory `keep` is how many are
    kept, all by default. `step` is the state's own unless given; `extra` is any other tree (random keys, a data iterator's place,
    strings). Arrays of every dtype, keys and None are saved, functions among the leaves are not.

    The file is an npz archive without pickles: arrays by their paths (`np.load(path)["params/w"]`), and a header with the version
    of the format, `to_spec(tx)` and a checksum of each array. It is written beside its place, flushed to the disk and then renamed,
    so that a kill or a full disk leaves the checkpoints before it as they are; the error is an OSError.

    `format="orbax"` (`pip install "gradtx[orbax]"`) writes a directory from all devices and hosts at once; each process calls it, and
    any number of devices and processes can go on from it.
    With `wait=False` it is written beside the training, not yet counted by `keep`; the next `save` or `restore` waits. `.npz` is written by
    process 0.
    """
    if format not in ("npz", "orbax"):
        raise ValueError(f'save: format must be "npz" or "orbax", got {format!r}.')
    if keep is not None and (not is_whole(keep) or keep < 1):
        raise ValueError(f"save: keep must be a whole number of at least 1, got {keep}. Write None to keep all.")
    place, number = pathlib.Path(path), _step(step, state, needed=not is_single(pathlib.Path(path)))
    if keep is not None and is_single(place):
        raise ValueError(f"save: {place} is one checkpoint, and keep is for a directory of them. Leave it out.")
    suffix = ORBAX if format == "orbax" else FILE
    if is_single(place) and place.suffix != suffix:
        raise ValueError(f'save: {place} has the name of another format than format="{format}"; one that fits ends in {suffix}.')
    if suffix == ORBAX:
        check_orbax("save")
    about = {"step": number, "about": _about(tx), "trees": [name for name, tree in _trees(params, state, extra) if tree is not None]}
    leaves = [leaf for name, tree in _trees(params, state, extra) if tree is not None for leaf in saved_leaves(tree, name)]
    spread = next((leaf.name for leaf in leaves if isinstance(leaf.bits, jax.Array)), None)
    if suffix == FILE and spread:
        raise ValueError(f'save: {spread} is spread over several processes. Write save(..., format="orbax").')
    if is_single(place):
        return _written(place, leaves, about, wait)
    assert number is not None
    _check_latest(place, number)
    target = _written(checkpoint_path(place, number, suffix), leaves, about, wait)
    if jax.process_index() == 0:
        remove_other_format(target)
        remove_older(place, number, keep)
    return target


def _trees(*trees: PyTree) -> list[tuple[str, PyTree]]:
    return list(zip(TREES, trees, strict=True))


def _step(step: Any, state: PyTree, needed: bool) -> int | None:
    given = state.get("step") if step is None and isinstance(state, dict) else step
    numbers = set() if given is None else set(np.ravel(given).tolist())  # a batch of optimizers has one for each
    if len(numbers) == 1:
        (number,) = numbers
        if not is_whole(number) or number < 0:
            raise ValueError(f"save: step must be a whole number of at least 0, got {number!r}.")
        return number
    if needed:
        raise ValueError("save: a checkpoint in a directory needs its step, and there is no single one in the state. Write step=...")
    return None


def _about(tx: GradientTransformation | None) -> dict[str, Any]:
    """The optimizer as data. One with functions among its arguments cannot be written so, and is described instead."""
    if tx is None:
        return {}
    try:
        return {"spec": to_spec(tx), "written": repr(tx)}
    except (TypeError, ValueError) as error:
        if not isinstance(cast(Any, tx), GradientTransformation):
            raise
        return {"unwritten": str(error), "written": repr(tx), "structure": structure_as_text(jax.tree.structure(tx))}


def _check_latest(directory: pathlib.Path, step: int) -> None:
    """Refuse to save behind a later checkpoint, which `restore` would take: unless it is a damaged one."""
    for later, path in checkpoints(directory) if directory.is_dir() else ():
        if later <= step:
            return
        try:
            if path.suffix == FILE:
                read_file(path)
            else:
                read_orbax_header(path)
        except (DamagedCheckpointError, FileNotFoundError, IsADirectoryError):
            continue
        raise ValueError(
            f"save: {directory} has step {later} already, later than step {step}, and restore would go on from there. "
            f"Save into another directory, write a later step=, or remove {path}."
        )


def _written(path: pathlib.Path, leaves: list[SavedLeaf], about: dict[str, Any], wait: bool) -> pathlib.Path:
    if path.suffix == ORBAX:
        save_orbax(path, leaves, about, wait)
    elif jax.process_index() == 0:
        write_atomically(path, lambda file: write_file(file, leaves, about))
    return path
