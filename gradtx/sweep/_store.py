"""The files of a sweep: what it is, in sweep.json, and a file for each finished chunk."""

import contextlib
import hashlib
import io
import json
import os
import warnings
from pathlib import Path
from typing import Any

import jax
import numpy as np

from gradtx import to_spec
from gradtx._core.trees import structure_as_text
from gradtx._core.types import PyTree
from gradtx._files import UNREADABLE, write_whole
from gradtx.sweep._members import Members, packed
from gradtx.sweep._program import program

FORMAT = 1
CONTENT = {"train": "the function or the data in it", "optimizers": "the optimizers", "arguments": "the other arguments"}


def content(train: Any, members: Members) -> dict[str, str]:
    """What a sweep computes, in digests: the program of one member of each structure, the optimizers, the other arguments."""
    texts = [program(train, members, group, None).text() for group in members.groups]
    own = [leaf for group in members.groups for leaf in (group.indices, *group.own.leaves)]
    structures = [structure_as_text(group.own.structure) for group in members.groups]
    shared = packed(members.shared)
    return {
        "train": _digest(*(text.encode() for text in texts)),
        "optimizers": _digest(*(s.encode() for s in structures), *map(_bytes, own)),
        "arguments": _digest(str(shared.structure).encode(), *map(_bytes, shared.leaves)),
    }


def _digest(*parts: bytes) -> str:
    total = hashlib.sha256()
    for part in parts:
        total.update(hashlib.sha256(part).digest())
    return total.hexdigest()


def _bytes(array: np.ndarray) -> bytes:
    return f"{array.dtype} {array.shape} ".encode() + np.ascontiguousarray(array).tobytes()


class Store:
    """A directory with the finished chunks of one sweep. Every file is written whole or not at all."""

    def __init__(self, directory: str | os.PathLike[str], digests: dict[str, str], chunk: int | None) -> None:
        self.path, self._digests = Path(directory), digests
        self.chunks: list[int] | None = None
        with self._explained("cannot be made or read"):
            self.path.mkdir(parents=True, exist_ok=True)
            found = (self.path / "sweep.json").read_bytes() if (self.path / "sweep.json").exists() else None
        if found is not None:
            self._agree(found, chunk)

    def _agree(self, found: bytes, chunk: int | None) -> None:
        """Make sure that the directory is of this sweep, and take its chunks."""
        try:
            spec = json.loads(found)
            version, digests, chunks, asked = spec["format"], dict(spec["content"]), list(spec["chunks"]), spec["chunk"]
            if len(chunks) != len(spec["groups"]) or not all(isinstance(size, int) and size > 0 for size in chunks):
                raise ValueError(f"chunks {chunks}")
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"sweep: {self.path / 'sweep.json'} cannot be read ({error!r}). Delete it, or give another directory."
            ) from None
        if version != FORMAT:
            raise ValueError(f"sweep: {self.path} has format {version}, and this version of gradtx reads {FORMAT}. Give another directory.")
        apart = [what for name, what in CONTENT.items() if digests.get(name) != self._digests[name]]
        if apart:
            raise ValueError(
                f"sweep: {self.path} holds another sweep: what differs is {' and '.join(apart)}"
                f" (written with jax {spec.get('jax')}, this is {jax.__version__}). Give another directory, or delete that one."
            )
        if chunk is not None and chunk != asked:
            raise ValueError(
                f"sweep: {self.path} was begun with chunk={asked}, got chunk={chunk}. Leave chunk out, or write chunk={asked}."
            )
        self.chunks = chunks

    def begin(self, members: Members, chunks: list[int], chunk: int | None) -> None:
        """Write down what the sweep is, if this is its beginning."""
        if self.chunks is None:
            groups = [{"members": len(group.indices), "optimizers": _spec(group.own.tree(group.own.leaves)[0])} for group in members.groups]
            spec = {"format": FORMAT, "jax": jax.__version__, "content": self._digests, "chunk": chunk, "chunks": chunks, "groups": groups}
            self._write("sweep.json", json.dumps(spec, indent=1).encode())
            self.chunks = chunks

    def _file(self, group: int, start: int) -> str:
        return f"group-{group}-from-{start:06d}.npz"

    def _key(self, group: int, start: int) -> np.ndarray:
        """What says in a file which chunk it is, and of which sweep."""
        content = json.dumps([self._digests, group, start], sort_keys=True)
        return np.frombuffer(bytes.fromhex(_digest(content.encode())), np.uint8)

    def read(self, group: int, start: int, like: list[jax.ShapeDtypeStruct]) -> list[np.ndarray] | None:
        """The metrics of a chunk, leaf by leaf; None if it is not there, or damaged."""
        file = self.path / self._file(group, start)
        if not file.exists():
            return None
        try:
            with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as data:
                whole = np.array_equal(data["key"], self._key(group, start))
                leaves = [data[str(k)].view(kind.dtype) for k, kind in enumerate(like)]
        except UNREADABLE as error:
            warnings.warn(f"sweep: {file} is damaged ({error}) and is computed again.", stacklevel=4)
            return None
        if not whole or any(leaf.shape != kind.shape for leaf, kind in zip(leaves, like, strict=True)):
            warnings.warn(f"sweep: {file} is of another sweep, or another chunk of it, and is computed again.", stacklevel=4)
            return None
        return leaves

    def write(self, group: int, start: int, leaves: list[np.ndarray]) -> None:
        """Keep the metrics of a chunk."""
        buffer = io.BytesIO()
        arrays: dict[str, Any] = {str(k): _storable(leaf) for k, leaf in enumerate(leaves)}
        np.savez(buffer, key=self._key(group, start), **arrays)
        self._write(self._file(group, start), buffer.getvalue())

    def _write(self, name: str, data: bytes) -> None:
        with self._explained(f"cannot take {name}; the chunks before it are safe"):
            write_whole(self.path / name, lambda file: file.write(data))

    @contextlib.contextmanager
    def _explained(self, what: str) -> Any:
        try:
            yield
        except OSError as error:
            raise OSError(
                error.errno,
                f"sweep: the directory {self.path} {what}: {error.strerror}. Mend that and run the sweep again, or give another directory",
            ) from error


def _storable(leaf: np.ndarray) -> np.ndarray:
    """Dtypes that NumPy does not have, such as bfloat16, as integers of their size."""
    return leaf.view(f"u{leaf.dtype.itemsize}") if leaf.dtype.isbuiltin == 2 else leaf


def _spec(tx: PyTree) -> Any:
    """The batch of optimizers as data, for whoever reads the file; None where it holds functions."""
    try:
        return to_spec(tx)
    except (TypeError, ValueError):
        return None
