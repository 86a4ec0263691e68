"""A directory of checkpoints: what the files are called, how they come to be whole or not at all, and which of them are kept."""

import glob
import pathlib
import re
import shutil
from collections.abc import Callable, Iterable
from typing import Any

from gradtx._files import PARTIAL, write_whole

FILE, ORBAX = ".npz", ".orbax"
_NAME = re.compile(r"step_(\d+)(\.npz|\.orbax)")


def is_single(path: pathlib.Path) -> bool:
    """Whether a path is that of one checkpoint, and no directory of them."""
    return path.suffix in (FILE, ORBAX)


def checkpoint_path(directory: pathlib.Path, step: int, suffix: str) -> pathlib.Path:
    return directory / f"step_{step:010d}{suffix}"


def checkpoints(directory: pathlib.Path) -> list[tuple[int, pathlib.Path]]:
    """The checkpoints in a directory with their steps, the latest first."""
    found = ((match, entry) for entry in directory.iterdir() if (match := _NAME.fullmatch(entry.name)))
    return sorted(((int(match[1]), entry) for match, entry in found), reverse=True)


def _partial(path: pathlib.Path) -> Iterable[pathlib.Path]:
    """What writers of this file left half written, or of any step where it is one of many."""
    name = "step_*" if _NAME.fullmatch(path.name) else glob.escape(path.stem)
    return path.parent.glob(f".{name}{FILE}.*{PARTIAL}")


def write_atomically(path: pathlib.Path, write: Callable[[Any], None]) -> None:
    """Write a checkpoint of one file, whole or not at all. What killed writers left over goes: there is one at a time."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for left in _partial(path):
            left.unlink(missing_ok=True)
        write_whole(path, write)
    except OSError as error:
        reason = f"{error.strerror or error}; the checkpoint was not written, and those before it are as they were"
        raise OSError(error.errno, reason, str(path)) from error


def remove_other_format(path: pathlib.Path) -> None:
    """Remove the checkpoint of the same step in the other format: `restore` would not know which to take."""
    _remove(path.with_suffix(FILE if path.suffix == ORBAX else ORBAX))


def remove_older(directory: pathlib.Path, step: int, keep: int | None) -> None:
    """Remove all but the last `keep` checkpoints up to `step`."""
    if keep is None:
        return
    for _, path in [(k, path) for k, path in checkpoints(directory) if k <= step][keep:]:
        _remove(path)


def _remove(path: pathlib.Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
