"""Checkpoints in Orbax's format: written from all devices and hosts, beside the training."""

import functools
import hashlib
import json
import pathlib
from typing import Any

import jax
import numpy as np

from gradtx.training._checkpoint_errors import DamagedCheckpointError
from gradtx.training._checkpoint_file import UNREADABLE, VERSION, NewerVersionError, check_version
from gradtx.training._checkpoint_leaves import SavedLeaf, as_plain


def check_orbax(called: str) -> None:
    """Make sure that Orbax is there."""
    try:
        import orbax.checkpoint  # noqa: F401
    except ImportError:
        raise ImportError(f'{called}: this format is Orbax\'s, which is not installed. Write pip install "gradtx[orbax]".') from None


@functools.cache
def _checkpointer() -> Any:
    """One for the process: it writes one checkpoint at a time, and is waited for when Python ends."""
    import atexit

    import orbax.checkpoint as ocp

    checkpointer = ocp.AsyncCheckpointer(ocp.CompositeCheckpointHandler())
    atexit.register(checkpointer.close)
    return checkpointer


def wait_for_orbax() -> None:
    """Wait until what is being written is there."""
    if _checkpointer.cache_info().currsize:
        _checkpointer().wait_until_finished()


def save_orbax(path: pathlib.Path, leaves: list[SavedLeaf], about: dict[str, Any], wait: bool) -> None:
    """Write leaves and what is known about them. Arrays of this process alone have a checksum."""
    import orbax.checkpoint as ocp

    entries = [leaf.header() | _checksum(leaf.bits) for leaf in leaves]
    arrays = {f"{k}": leaf.bits if isinstance(leaf.bits, jax.Array) else as_plain(leaf.bits) for k, leaf in _numbered(leaves)}
    text = json.dumps({"format": "gradtx checkpoint", "version": VERSION, **about, "leaves": entries})
    header = {"text": text, "sha256": hashlib.sha256(text.encode()).hexdigest()}
    content = ocp.args.Composite(header=ocp.args.JsonSave(header), arrays=ocp.args.StandardSave(arrays or {"none": np.zeros(1)}))
    _checkpointer().save(path.absolute(), args=content, force=True)
    if wait:
        wait_for_orbax()


def _numbered(leaves: list[SavedLeaf]) -> list[tuple[int, SavedLeaf]]:
    return [(k, leaf) for k, leaf in enumerate(leaves) if leaf.bits is not None]


def _checksum(bits: Any) -> dict[str, Any]:
    if bits is None or isinstance(bits, jax.Array):
        return {"stored": bits is not None}
    return {"stored": True, "sha256": hashlib.sha256(as_plain(bits).tobytes()).hexdigest()}


def read_orbax(path: pathlib.Path) -> tuple[list[SavedLeaf], dict[str, Any]]:
    """The leaves and the header of an Orbax checkpoint."""
    import orbax.checkpoint as ocp

    wait_for_orbax()
    try:
        checkpointer = ocp.Checkpointer(ocp.CompositeCheckpointHandler())
        found = checkpointer.restore(
            path.absolute(), args=ocp.args.Composite(header=ocp.args.JsonRestore(), arrays=ocp.args.StandardRestore())
        )
        header, arrays = _header(found["header"], path), found["arrays"]
        leaves = [_read(entry, arrays.get(f"{k}"), path) for k, entry in enumerate(header["leaves"])]
    except (DamagedCheckpointError, NewerVersionError):
        raise
    except UNREADABLE as error:
        raise DamagedCheckpointError(f"{path} is damaged: {type(error).__name__}: {error}") from None
    return leaves, header


def _header(kept: dict[str, str], path: pathlib.Path) -> dict[str, Any]:
    if hashlib.sha256(kept["text"].encode()).hexdigest() != kept["sha256"]:
        raise DamagedCheckpointError(f"{path} is damaged: its header is not the one that was written.")
    header = json.loads(kept["text"])
    check_version(header, path)
    return header


def _read(entry: dict[str, Any], bits: Any, path: pathlib.Path) -> SavedLeaf:
    if not entry["stored"]:
        return SavedLeaf.from_header(entry, None)
    if "sha256" not in entry:
        return SavedLeaf.from_header(entry, bits)
    bits = np.asarray(bits)
    if hashlib.sha256(bits.tobytes()).hexdigest() != entry["sha256"]:
        raise DamagedCheckpointError(f"{path} is damaged at {entry['name']}: its checksum is another than was written.")
    return SavedLeaf.from_header(entry, bits)
