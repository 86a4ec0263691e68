"""Running every member of a sweep: structure by structure, chunk by chunk."""

import os
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from gradtx._core.kinds import is_whole
from gradtx._core.types import PyTree
from gradtx.sweep._hosts import from_first, is_first
from gradtx.sweep._members import Members, plan
from gradtx.sweep._program import Program, fitting_chunk, member_mesh, padded, program
from gradtx.sweep._progress import Bar, Progress, Watch
from gradtx.sweep._results import Results, named_leaves
from gradtx.sweep._store import Store, content


def sweep(
    train: Callable[..., PyTree],
    optimizers: Any,
    *others: Any,
    mesh: Mesh | None = None,
    chunk: int | None = None,
    directory: str | os.PathLike[str] | None = None,
    progress: bool | Callable[[Progress], Any] = True,
) -> Results:
    """Run `train(tx, *others)` for every optimizer, many at once, with one compilation for each structure of optimizer.

    `train` is a pure function that returns a tree of scalars or curves: what it reads from outside is read once, as in `jax.jit`, so
    give what may change as an argument. `optimizers` is a batch (`grid`, `sample`, `stack`), an optimizer, or a list of these; one
    whose every number is an array, such as `scale_by_tree`, looks like a batch, so write `stack([tx])`. Of `others`, `paired(tree)`
    has an entry for each optimizer, `crossed(tree)` combines all its entries with every optimizer (seeds), and anything else is
    the same for all.

    Members run under `vmap` in chunks: as many as fit the memory if `chunk` is not given. They are spread over the devices
    of `mesh`, along the axis `members` where it has several; over all devices if not given. With a `directory`, finished chunks
    are kept there, and a sweep that was killed goes on where it stopped, with the same result; a smaller `chunk` loses less.
    A member that diverges shows in `results.diverged` and disturbs no other. `progress` may be a function of a `Progress`.
    """
    members = plan(train, optimizers, others)
    if chunk is not None and not (is_whole(chunk) and chunk >= 1):
        raise ValueError(f"sweep: chunk must be a whole number of at least 1, got {chunk!r}.")
    chunk = None if chunk is None else int(chunk)
    mesh = member_mesh(mesh)
    programs = [program(train, members, group, mesh) for group in members.groups]
    store = Store(directory, content(train, members), chunk) if directory is not None and is_first() else None
    chunks = _chunks(members, programs, chunk, store)
    kinds = [_kinds(one, padded(size, one.devices)) for one, size in zip(programs, chunks, strict=True)]
    structure = _common_structure(kinds)
    if store is not None:
        store.begin(members, chunks, chunk)
    names = list(named_leaves(structure.unflatten(range(structure.num_leaves))))
    shown = next((name for name in names if "loss" in name), None)
    bar = Bar(len(members)) if progress is True else None
    watch = Watch(len(members), shown, bar or (progress if callable(progress) else lambda _: None))
    try:
        done = [
            _run_group(g, members, programs[g], chunks[g], kinds[g], store, _counted(watch, names, shown)) for g in range(len(programs))
        ]
    finally:
        if bar is not None:
            bar.close()
    return Results(members, _in_order(members, structure, done))


def _chunks(members: Members, programs: list[Program], chunk: int | None, store: Store | None) -> list[int]:
    """The members in a chunk, for each structure: those of the directory where it has begun, so that the result is the same."""
    if store is not None and store.chunks is not None:
        chunks = store.chunks
    else:
        counts = [len(group.indices) for group in members.groups]
        chunks = [min(chunk, n) if chunk else fitting_chunk(one, n) for one, n in zip(programs, counts, strict=True)]
    return [int(size) for size in from_first(np.asarray(chunks))]


def _kinds(one: Program, size: int) -> PyTree:
    """Shapes and dtypes of the metrics of one member."""
    metrics = one.traced(size).out_info
    for name, leaf in named_leaves(metrics).items():
        if not (jax.numpy.issubdtype(leaf.dtype, np.number) or leaf.dtype == bool) or jax.numpy.iscomplexobj(leaf):
            raise TypeError(f"sweep: train returned {name} of dtype {leaf.dtype}. Return real numbers: scalars and curves.")
        if not leaf.size:
            raise ValueError(f"sweep: train returned {name} of shape {leaf.shape[1:]}, which has no numbers. Leave it out.")
    if not jax.tree.leaves(metrics):
        raise TypeError("sweep: train returned nothing. Return its metrics, such as {'loss': loss}.")
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), metrics)


def _common_structure(kinds: list[PyTree]) -> Any:
    for other in kinds[1:]:
        if jax.tree.structure(other) != jax.tree.structure(kinds[0]) or jax.tree.leaves(other) != jax.tree.leaves(kinds[0]):
            raise ValueError(
                f"sweep: train returned {kinds[0]} for one structure of optimizer and {other} for another. "
                "Return the same metrics for all, or sweep them apart."
            )
    return jax.tree.structure(kinds[0])


def _counted(watch: Watch, names: list[str], shown: str | None) -> Callable[[list[np.ndarray], bool], None]:
    def advance(leaves: list[np.ndarray], computed: bool) -> None:
        values = None if shown is None else leaves[names.index(shown)]
        final = values if values is None or values.ndim == 1 else values.reshape(len(values), -1)[:, -1]
        watch.advance(len(leaves[0]), final, computed)

    return advance


def _run_group(
    g: int,
    members: Members,
    one: Program,
    chunk: int,
    kinds: PyTree,
    store: Store | None,
    advance: Callable[[list[np.ndarray], bool], None],
) -> list[np.ndarray]:
    """The metrics of the members of one structure, leaf by leaf: read where the directory has them, computed otherwise."""
    count, size = len(members.groups[g].indices), padded(chunk, one.devices)
    compiled, parts = None, list[list[np.ndarray]]()
    for start in range(0, count, chunk):
        stop = min(start + chunk, count)
        like = [jax.ShapeDtypeStruct((stop - start, *kind.shape), kind.dtype) for kind in jax.tree.leaves(kinds)]
        leaves = _kept(store, g, start, like)
        computed = leaves is None
        if leaves is None:
            compiled = compiled or one.compiled(size)
            leaves = one.run(compiled, size, start, stop)
            if store is not None:
                store.write(g, start, leaves)
        parts.append(leaves)
        advance(leaves, computed)
    return [np.concatenate(columns) for columns in zip(*parts, strict=True)]


def _kept(store: Store | None, g: int, start: int, like: list[jax.ShapeDtypeStruct]) -> list[np.ndarray] | None:
    """What the first process reads, in all processes."""
    leaves = None if store is None else store.read(g, start, like)
    if jax.process_count() == 1:
        return leaves
    found, leaves = from_first((np.asarray(leaves is not None), leaves or [np.zeros(kind.shape, kind.dtype) for kind in like]))
    return list(leaves) if found else None


def _in_order(members: Members, structure: Any, done: list[list[np.ndarray]]) -> PyTree:
    """The metrics of all structures in the order of the members."""
    order = np.argsort(np.concatenate([group.indices for group in members.groups]))
    return structure.unflatten([np.concatenate(columns)[order] for columns in zip(*done, strict=True)])
