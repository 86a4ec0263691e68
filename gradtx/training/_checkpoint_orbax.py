"""Checkpoints in Orbax's format: written from all devices and hosts, beside the training."""

import functools
import hashlib
import importlib.util
import json
import pathlib
from collections.abc import Mapping
from typing import Any, cast

import jax
import numpy as np

from gradtx.training._checkpoint_errors import DamagedCheckpointError
from gradtx.training._checkpoint_file import UNREADABLE, VERSION, NewerVersionError, check_version
from gradtx.training._checkpoint_leaves import SavedLeaf, as_plain


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


def read_orbax(path: pathlib.Path, shardings: Mapping[str, jax.sharding.Sharding]) -> tuple[list[SavedLeaf], dict[str, Any]]:
    """The leaves and the header of an Orbax checkpoint.

    Leaves of these names are read into these shardings, the others into that in which they were saved; on other devices than those into
    one that has all of them on each.
    """
    import orbax.checkpoint as ocp

    wait_for_orbax()
    checkpointer = ocp.Checkpointer(ocp.CompositeCheckpointHandler())
    try:
        header = _header(checkpointer.restore(path.absolute(), args=ocp.args.Composite(header=ocp.args.JsonRestore()))["header"], path)
        targets = _targets(path, header["leaves"], shardings)
        everywhere = jax.NamedSharding(jax.make_mesh((jax.device_count(),), ("devices",)), jax.P())
        read = ocp.args.StandardRestore(targets, fallback_sharding=everywhere)
        arrays = checkpointer.restore(path.absolute(), args=ocp.args.Composite(arrays=read))["arrays"]
        leaves = [_read(entry, arrays.get(f"{k}"), path) for k, entry in enumerate(header["leaves"])]
    except (DamagedCheckpointError, NewerVersionError):
        raise
    except UNREADABLE as error:
        raise DamagedCheckpointError(f"{path} is damaged: {type(error).__name__}: {error}") from None
    return leaves, header


def _targets(path: pathlib.Path, entries: list[dict[str, Any]], shardings: Mapping[str, jax.sharding.Sharding]) -> dict[str, Any]:
    """What each array is to be read as: one of NumPy's as such, the others where they are to lie."""
    import orbax.checkpoint as ocp

    kept = ocp.StandardCheckpointHandler().metadata(cast(Any, path.absolute() / "arrays")).tree
    on_hosts = {f"{k}" for k, entry in enumerate(entries) if "sha256" in entry}
    places = {f"{k}": shardings.get(entry["name"]) for k, entry in enumerate(entries)}
    return {
        name: np.empty(array.shape, array.dtype)
        if name in on_hosts or name not in places
        else jax.ShapeDtypeStruct(array.shape, array.dtype, sharding=places[name])
        for name, array in kept.items()
    }


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
