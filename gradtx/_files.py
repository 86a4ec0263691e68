"""Files that are whole or not there, and what reading raises where they are neither."""

import contextlib
import os
import pathlib
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

PARTIAL = ".partial"
"""How the name of a file ends while it is written."""

UNREADABLE = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, KeyError, TypeError, IndexError, AttributeError),
    *(NotImplementedError, RuntimeError, OverflowError, MemoryError, OSError),
)
"""What reading an archive of arrays raises where bytes are not those that were written."""


def write_whole(path: pathlib.Path, write: Callable[[Any], Any]) -> None:
    """Let `write(file)` fill a file beside `path`, which takes the name when all of it lies on the disk.

    A process that is killed, a disk that is full: `path` is what it was before, whole.
    """
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=PARTIAL, dir=path.parent)
    try:
        with os.fdopen(handle, "w+b") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        _as_others(temporary)
        os.replace(temporary, path)
        _settle(path.parent)
    finally:
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
