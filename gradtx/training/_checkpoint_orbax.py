"""Checkpoints in Orbax's format: written from all devices and hosts, beside the training."""

import contextlib
import errno
import functools
import hashlib
import importlib.util
import json
import pathlib
import shutil
import warnings
from collections.abc import Mapping
from typing import Any, cast

import jax
import numpy as np

from gradtx.training._checkpoint_errors import DamagedCheckpointError, MismatchedCheckpointError, OneProcessError
from gradtx.training._checkpoint_file import VERSION, NewerVersionError, check_version
from gradtx.training._checkpoint_leaves import SavedLeaf, as_plain, check_width
from gradtx.training._checkpoint_sum import sum_of_bits

UNFINISHED = ".orbax-checkpoint-tmp"
"""What Orbax puts behind the name of a directory while it writes it."""


def check_orbax(called: str) -> None:
    """Make sure that Orbax is there."""
    if importlib.util.find_spec("orbax") is None or importlib.util.find_spec("orbax.checkpoint") is None:
        raise ImportError(f'{called}: this format is Orbax\'s, which is not installed. Write pip install "gradtx[orbax]".')


@functools.cache
def _checkpointer() -> Any:
    """One for the process: it writes one checkpoint at a time, and is waited for when Python ends."""
    import atexit

    import orbax.checkpoint as ocp

    checkpointer = ocp.AsyncCheckpointer(ocp.CompositeCheckpointHandler())
    atexit.register(checkpointer.close)
    return checkpointer


def wait_for_orbax() -> None:
    """Wait until what is being written is there. What could not be written is no checkpoint, and is told once."""
    if not _checkpointer.cache_info().currsize:
        return
    try:
        _checkpointer().wait_until_finished()
    except Exception as error:
        warnings.warn(f"save: a checkpoint of before was not written: {_first_line(error)}", stacklevel=3)


def save_orbax(path: pathlib.Path, leaves: list[SavedLeaf], about: dict[str, Any], wait: bool) -> None:
    """Write leaves and what is known about them, in the place of what is there only when all of it is written."""
    import orbax.checkpoint as ocp

    entries = [leaf.header() | _checksum(leaf.bits) for leaf in leaves]
    arrays = {f"{k}": leaf.bits if isinstance(leaf.bits, jax.Array) else as_plain(leaf.bits) for k, leaf in _stored(leaves)}
    text = json.dumps({"format": "gradtx checkpoint", "version": VERSION, **about, "leaves": entries})
    header = {"text": text, "sha256": hashlib.sha256(text.encode()).hexdigest()}
    content = ocp.args.Composite(header=ocp.args.JsonSave(header), arrays=ocp.args.StandardSave(arrays or {"none": np.zeros(1)}))
    wait_for_orbax()
    replaced = path.exists()
    try:
        _remove_unfinished(path.parent)
        _checkpointer().save((_beside(path, "new") if replaced else path).absolute(), args=content, force=True)
        if wait or replaced:
            _checkpointer().wait_until_finished()
    except Exception as error:
        number = error.errno if isinstance(error, OSError) else errno.EIO
        reason = f"{_first_line(error)}; the checkpoint was not written, and those before it are as they were"
        raise OSError(number, reason, str(path)) from error
    if replaced:
        _swap(path)
    elif wait and jax.process_index() == 0:
        shutil.rmtree(_beside(path, "old"), ignore_errors=True)


def _beside(path: pathlib.Path, how: str) -> pathlib.Path:
    return path.with_name(f".{path.name}.{how}")


def _swap(path: pathlib.Path) -> None:
    """Put what was written into the place of what is there; `_whole` finds either at every moment."""
    from jax.experimental import multihost_utils

    if jax.process_index() == 0:
        old = _beside(path, "old")
        shutil.rmtree(old, ignore_errors=True)
        path.rename(old)
        _beside(path, "new").rename(path)
        shutil.rmtree(old, ignore_errors=True)
    multihost_utils.sync_global_devices(f"gradtx: {path.name} is in its place")


def _whole(path: pathlib.Path) -> pathlib.Path:
    """The checkpoint, or the one before where a process was killed between two names."""
    old = _beside(path, "old")
    return old if old.exists() and not path.exists() else path


def _remove_unfinished(directory: pathlib.Path) -> None:
    """Remove what killed writers left over; a directory has one writer at a time."""
    if jax.process_index() == 0 and directory.is_dir():
        for left in directory.glob(f"*{UNFINISHED}*"):
            shutil.rmtree(left, ignore_errors=True)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _stored(leaves: list[SavedLeaf]) -> list[tuple[int, SavedLeaf]]:
    """The leaves with numbers, by their place: Orbax takes no arrays of size zero."""
    return [(k, leaf) for k, leaf in enumerate(leaves) if leaf.bits is not None and leaf.bits.size]


def _checksum(bits: Any) -> dict[str, Any]:
    if bits is None:
        return {"stored": False}
    if not bits.size:
        return {"stored": False, "empty": [list(bits.shape), bits.dtype.name]}
    if isinstance(bits, jax.Array):
        return {"stored": True, "sum": sum_of_bits(bits)}
    return {"stored": True, "sha256": hashlib.sha256(as_plain(bits).tobytes()).hexdigest()}


def read_orbax_header(path: pathlib.Path) -> tuple[list[SavedLeaf], dict[str, Any]]:
    """The leaves of an Orbax checkpoint without their numbers, and its header."""
    import orbax.checkpoint as ocp

    found = _whole(path)
    if not found.exists():
        raise FileNotFoundError(f"restore: there is no {path}.")
    args = ocp.args.Composite(header=ocp.args.JsonRestore())
    with _damaged(path):
        header = _header(ocp.Checkpointer(ocp.CompositeCheckpointHandler()).restore(found.absolute(), args=args)["header"], path)
        return [SavedLeaf.from_header(entry, None) for entry in header["leaves"]], header


def read_orbax(path: pathlib.Path, header: dict[str, Any], shardings: Mapping[str, jax.sharding.Sharding]) -> list[SavedLeaf]:
    """The leaves of an Orbax checkpoint.

    Leaves of these names are read into these shardings, the others into that in which they were saved; on other devices than those into
    one that has all of them on each.
    """
    import orbax.checkpoint as ocp

    found, entries = _whole(path).absolute(), header["leaves"]
    everywhere = jax.NamedSharding(jax.make_mesh((jax.device_count(),), ("devices",)), jax.P())
    with _damaged(path):
        kept = ocp.StandardCheckpointHandler().metadata(cast(Any, found / "arrays")).tree
    read = ocp.args.StandardRestore(_targets(kept, entries, shardings), fallback_sharding=everywhere)
    with _damaged(path), _alone(path):
        arrays = ocp.Checkpointer(ocp.CompositeCheckpointHandler()).restore(found, args=ocp.args.Composite(arrays=read))["arrays"]
    return [_read(entry, arrays.get(f"{k}"), path) for k, entry in enumerate(entries)]


@contextlib.contextmanager
def _alone(path: pathlib.Path) -> Any:
    """Where several processes read, one that fails cannot take an earlier checkpoint: the others would train on from this one."""
    try:
        yield
    except Exception as error:
        if jax.process_count() == 1:
            raise
        raise OneProcessError(
            f"restore: process {jax.process_index()} cannot read its part of {path}, and the others may have theirs: {_first_line(error)}. "
            "End them all, and start again with restore(..., step=...) for the checkpoint before, or remove this one."
        ) from None


@contextlib.contextmanager
def _damaged(path: pathlib.Path) -> Any:
    """What Orbax raises where bytes are not those that were written, which may be anything. Who may not read is told so by the system."""
    try:
        yield
    except (DamagedCheckpointError, NewerVersionError, OneProcessError, PermissionError, MemoryError):
        raise
    except Exception as error:
        raise DamagedCheckpointError(f"{path} is damaged: {type(error).__name__}: {_first_line(error)}") from None


def _targets(kept: Any, entries: list[dict[str, Any]], shardings: Mapping[str, jax.sharding.Sharding]) -> dict[str, Any]:
    """What each array is to be read as: one of NumPy's as such, the others where they are to lie."""
    spread = {f"{k}": entry["name"] for k, entry in enumerate(entries) if "sum" in entry}
    for number, name in spread.items():
        if number not in kept:
            raise DamagedCheckpointError(f"{name} is not among the arrays of the checkpoint: it is damaged.")
        if name in shardings:
            _check_divides(name, tuple(kept[number].shape), shardings[name])
        check_width(name, kept[number].dtype)
    return {
        number: jax.ShapeDtypeStruct(array.shape, array.dtype, sharding=shardings.get(spread[number]))
        if number in spread
        else np.empty(array.shape, array.dtype)
        for number, array in kept.items()
    }


def _check_divides(name: str, shape: tuple[int, ...], sharding: jax.sharding.Sharding) -> None:
    try:
        sharding.shard_shape(shape)
    except ValueError as error:
        raise MismatchedCheckpointError(f"restore: {name} of shape {shape} cannot lie in {sharding}: {_first_line(error)}") from None


def _header(kept: dict[str, str], path: pathlib.Path) -> dict[str, Any]:
    if hashlib.sha256(kept["text"].encode()).hexdigest() != kept["sha256"]:
        raise DamagedCheckpointError(f"{path} is damaged: its header is not the one that was written.")
    header = json.loads(kept["text"])
    check_version(header, path)
    return header


def _read(entry: dict[str, Any], bits: Any, path: pathlib.Path) -> SavedLeaf:
    if not entry["stored"]:
        return SavedLeaf.from_header(entry, np.zeros(entry["empty"][0], entry["empty"][1]) if "empty" in entry else None)
    bits = bits if "sum" in entry else np.asarray(bits)
    same = sum_of_bits(bits) == entry["sum"] if "sum" in entry else hashlib.sha256(bits.tobytes()).hexdigest() == entry["sha256"]
    if not same:
        raise DamagedCheckpointError(f"{path} is damaged at {entry['name']}: its checksum is another than was written.")
    return SavedLeaf.from_header(entry, bits)
