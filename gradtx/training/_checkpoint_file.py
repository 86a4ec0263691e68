"""One file for a checkpoint: an npz archive of plain arrays, one of them a header, with a checksum for each and one for the header."""

import hashlib
import io
import json
import math
import pathlib
import zipfile
from collections.abc import Iterable
from typing import Any, cast

import numpy as np

from gradtx._files import UNREADABLE
from gradtx.training._checkpoint_errors import DamagedCheckpointError
from gradtx.training._checkpoint_leaves import SavedLeaf, as_plain

VERSION = 1
HEADER = "header.npy"
LONGEST = 10_000
"""How many characters of a path stand in the archive, which takes 65,535 bytes for a name; the header has all of it."""
MARK = b"gradtx checkpoint, sha256 of the header: "


def write_file(file: Any, leaves: Iterable[SavedLeaf], about: dict[str, Any]) -> None:
    """Write leaves and what is known about them to an open file, one array at a time."""
    entries: list[dict[str, Any]] = []
    names = {HEADER}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for leaf in leaves:
            entry = leaf.header()
            if leaf.bits is not None:
                member = _free_name(leaf.name, names)
                entry |= {"member": member, **_write_array(archive, member, as_plain(leaf.bits))}
            entries.append(entry)
        header = json.dumps({"format": "gradtx checkpoint", "version": VERSION, **about, "leaves": entries}).encode()
        _write_array(archive, HEADER, np.frombuffer(header, np.uint8))
        archive.comment = MARK + hashlib.sha256(header).hexdigest().encode()


def _free_name(name: str, names: set[str]) -> str:
    """A name in the archive that is not taken, in whatever case, and not too long for one."""
    base = name.replace("\\", "_").replace("\0", "_").encode("utf-8", "replace").decode()[:LONGEST]
    member = next(m for k in range(len(names) + 1) for m in [f"{base}{f'~{k + 1}' if k else ''}.npy"] if m.lower() not in names)
    names.add(member.lower())
    return member


def _write_array(archive: zipfile.ZipFile, member: str, array: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Write one array, and return the checksum and the size of what was written."""
    start = io.BytesIO()
    np.lib.format.write_array_header_1_0(start, np.lib.format.header_data_from_array_1_0(array))
    body = memoryview(cast(Any, array.reshape(-1))).cast("B") if array.size else b""
    digest = hashlib.sha256(start.getvalue())
    digest.update(body)
    entry = zipfile.ZipInfo(member)  # without the time, so that equal checkpoints are equal files
    with archive.open(entry, "w", force_zip64=True) as target:
        target.write(start.getvalue())
        target.write(body)
    return {"sha256": digest.hexdigest(), "size": len(start.getvalue()) + array.nbytes}


def read_file(path: pathlib.Path) -> tuple[list[SavedLeaf], dict[str, Any]]:
    """The leaves and the header of a file, each array checked against its checksum."""
    with path.open("rb") as file:  # who may not read it is told so by the system
        try:
            with zipfile.ZipFile(file) as archive:
                header = _header(archive, path)
                return [_leaf(archive, entry) for entry in header["leaves"]], header
        except (DamagedCheckpointError, NewerVersionError):
            raise
        except UNREADABLE as error:
            raise DamagedCheckpointError(f"{path} is damaged: {type(error).__name__}: {error}") from None


class NewerVersionError(ValueError):
    """A file that a later version of gradtx has written."""


def _header(archive: zipfile.ZipFile, path: pathlib.Path) -> dict[str, Any]:
    if not archive.comment.startswith(MARK):
        raise DamagedCheckpointError(f"{path} is no checkpoint of gradtx, or its end is damaged.")
    text = _array(archive.read(HEADER)).tobytes()
    if hashlib.sha256(text).hexdigest().encode() != archive.comment.removeprefix(MARK):
        raise DamagedCheckpointError(f"{path} is damaged: its header is not the one that was written.")
    header = json.loads(text)
    check_version(header, path)
    return header


def check_version(header: dict[str, Any], path: pathlib.Path) -> None:
    """Refuse what a later version has written."""
    if header["version"] > VERSION:
        raise NewerVersionError(
            f"{path} has version {header['version']} of the format; this gradtx reads up to {VERSION}. Install a later one: "
            "an older checkpoint is not taken in its place."
        )


def _array(data: bytes) -> np.ndarray[Any, Any]:
    """The array in the bytes of an npy file."""
    start = io.BytesIO(data)
    np.lib.format.read_magic(start)
    shape, _, dtype = np.lib.format.read_array_header_1_0(start)
    return np.frombuffer(data, dtype, math.prod(shape), start.tell()).reshape(shape)


def _leaf(archive: zipfile.ZipFile, entry: dict[str, Any]) -> SavedLeaf:
    if "member" not in entry:
        return SavedLeaf.from_header(entry, None)
    if archive.getinfo(entry["member"]).file_size != entry["size"]:
        raise DamagedCheckpointError(f"{archive.filename} is damaged at {entry['name']}: it has another size than was written.")
    try:
        data = archive.read(entry["member"])
    except UNREADABLE as error:
        raise DamagedCheckpointError(f"{archive.filename} is damaged at {entry['name']}: {error}") from None
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        raise DamagedCheckpointError(f"{archive.filename} is damaged at {entry['name']}: its checksum is another than was written.")
    return SavedLeaf.from_header(entry, _array(data))
