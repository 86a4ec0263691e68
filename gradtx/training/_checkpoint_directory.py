"""A directory of checkpoints: what the files are called, how they come to be whole or not at all, and which of them are kept."""

import contextlib
import os
import pathlib
import re
import shutil
import tempfile
from collections.abc import Callable
from typing import Any

FILE, ORBAX = ".npz", ".orbax"
_NAME = re.compile(r"step_(\d+)(\.npz|\.orbax)")
_PARTIAL = ".partial"


def is_single(path: pathlib.Path) -> bool:
    """Whether a path is that of one checkpoint, and no directory of them."""
    return path.suffix in (FILE, ORBAX)


def checkpoint_path(directory: pathlib.Path, step: int, suffix: str) -> pathlib.Path:
    return directory / f"step_{step:010d}{suffix}"


def checkpoints(directory: pathlib.Path) -> list[tuple[int, pathlib.Path]]:
    """The checkpoints in a directory with their steps, the latest first."""
    found = ((match, entry) for entry in directory.iterdir() if (match := _NAME.fullmatch(entry.name)))
    return sorted(((int(match[1]), entry) for match, entry in found), reverse=True)


def write_atomically(path: pathlib.Path, write: Callable[[Any], None]) -> None:
    """Write a file beside `path`, and let it take the name when all of it lies on the disk.

    A process that is killed, a disk that is full: `path` is what it was before, whole. What they left over the next writer removes;
    a directory has one writer at a time.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for left in path.parent.glob(f".*{FILE}.*{_PARTIAL}"):
            left.unlink(missing_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=_PARTIAL, dir=path.parent)
        with os.fdopen(handle, "w+b") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        _as_others(temporary)
        os.replace(temporary, path)
        _settle(path.parent)
    except OSError as error:
        reason = f"{error.strerror or error}; the checkpoint was not written, and those before it are as they were"
        raise OSError(error.errno, reason, str(path)) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def _as_others(path: str) -> None:
    """Give a file the permissions that a new one has here."""
    mask = os.umask(0)
    os.umask(mask)
    os.chmod(path, 0o666 & ~mask)


def _settle(directory: pathlib.Path) -> None:
    """Wait until the names in a directory lie on the disk, where a system can say so."""
    if os.name == "nt":
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_older(directory: pathlib.Path, step: int, keep: int | None) -> None:
    """Remove all but the last `keep` checkpoints up to `step`."""
    if keep is None:
        return
    for _, path in [(k, path) for k, path in checkpoints(directory) if k <= step][keep:]:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
