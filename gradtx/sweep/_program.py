"""One compiled program for the members of one structure, run on a chunk of them at a time."""

import contextlib
import dataclasses
import functools
import os
from collections.abc import Callable, Generator, Sequence
from typing import Any, cast

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from gradtx._core.kinds import shown
from gradtx._core.types import PyTree
from gradtx.sweep._hosts import fetched
from gradtx.sweep._members import Group, Members, Packed

AXIS = "members"


def member_mesh(mesh: Mesh | None) -> Mesh | None:
    """The mesh over one of whose axes members are spread: if not given that of `jax.set_mesh`, else all devices if there are several."""
    if mesh is not None and not isinstance(cast(Any, mesh), Mesh):
        raise TypeError(f"sweep: mesh must be a jax.sharding.Mesh, got {shown(mesh)}. Write jax.make_mesh((8,), ('members',)).")
    around = jax.sharding.get_mesh()
    if mesh is not None and not around.empty and mesh != around:
        raise ValueError(f"sweep: the mesh is {mesh}, and that of jax.set_mesh is {around}. Leave one of them out.")
    mesh = mesh if around.empty else around
    if mesh is None:
        devices = np.array(jax.devices())
        return Mesh(devices, (AXIS,), axis_types=(AxisType.Auto,)) if devices.size > 1 else None
    if len(mesh.axis_names) > 1 and AXIS not in mesh.axis_names:
        raise ValueError(
            f"sweep: the mesh has the axes {', '.join(map(str, mesh.axis_names))}; call the one that members are spread over {AXIS!r}. "
            "Over the others train may shard its own arrays."
        )
    return mesh


def member_axis(mesh: Mesh) -> Any:
    return AXIS if AXIS in mesh.axis_names else mesh.axis_names[0]


@dataclasses.dataclass(frozen=True, eq=False)
class Program:
    """`train` over a batch of members of one structure: compiled once for a size, then run on any chunk up to that size."""

    function: Any
    count: int
    own: Packed
    shared: tuple[PyTree, ...]
    mesh: Mesh | None

    @property
    def devices(self) -> int:
        """How many devices share the members of a chunk."""
        return 1 if self.mesh is None else self.mesh.shape[member_axis(self.mesh)]

    def traced(self, size: int) -> Any:
        with _closures_explained():
            return self.function.trace(self._abstract(size), self._placed_shared)

    def compiled(self, size: int) -> Any:
        """The executable for `size` members, which JAX keeps."""
        return self.traced(size).lower().compile()

    def text(self) -> str:
        """The program of one member, the same on whatever devices it will run."""
        shared = jax.tree.map(lambda leaf: jax.typeof(leaf).update(sharding=None) if isinstance(leaf, jax.Array) else leaf, self.shared)
        with _closures_explained():
            try:
                with jax.set_mesh(cast(Any, None)):
                    return self.function.trace(self._abstract(1), shared).lower().as_text()
            except (ValueError, RuntimeError):  # it names axes of the mesh
                return self.function.trace(self._abstract(1), shared).lower().as_text()

    def run(self, compiled: Any, size: int, start: int, stop: int) -> list[np.ndarray]:
        """The metrics of the members from `start` to `stop`, leaf by leaf; the last one is repeated to fill the batch."""
        rows = np.minimum(np.arange(start, start + size), stop - 1)
        chunk = [self._placed(leaf[rows]) for leaf in self._columns]
        return [fetched(leaf)[: stop - start] for leaf in jax.tree.leaves(compiled(chunk, self._placed_shared))]

    @functools.cached_property
    def _columns(self) -> list[np.ndarray]:
        """What belongs to each member, behind its number: a program of members without numbers is batched too."""
        return [np.arange(self.count, dtype=np.int32), *self.own.leaves]

    def _abstract(self, size: int) -> list[jax.ShapeDtypeStruct]:
        sharding = None if self.mesh is None else NamedSharding(self.mesh, PartitionSpec(member_axis(self.mesh)))
        return [jax.ShapeDtypeStruct((size, *leaf.shape[1:]), leaf.dtype, sharding=sharding) for leaf in self._columns]

    def _placed(self, leaf: np.ndarray) -> Any:
        if self.mesh is None:
            return leaf
        sharding = NamedSharding(self.mesh, PartitionSpec(member_axis(self.mesh)))
        return jax.make_array_from_callback(leaf.shape, sharding, lambda index: leaf[index])

    @functools.cached_property
    def _placed_shared(self) -> tuple[PyTree, ...]:
        return self.shared if self.mesh is None else jax.device_put(self.shared, NamedSharding(self.mesh, PartitionSpec()))


@contextlib.contextmanager
def _closures_explained() -> Generator[None]:
    """Say what to do with an array on a mesh that a function reads from outside and that cannot be read there."""
    try:
        yield
    except (NotImplementedError, ValueError) as error:
        if not any(said in str(error) for said in ("Closing over inputs", "Length of device assignment")):
            raise
        raise TypeError(
            "sweep: train reads an array from outside that is spread over a mesh with explicit axes. Give it as an argument: "
            "sweep(train, optimizers, data)."
        ) from error


def program(train: Callable[..., Any], members: Members, group: Group, mesh: Mesh | None) -> Program:
    """The program for the members of one structure."""
    make, own = _function, group.own
    try:
        hash(train)
    except TypeError:
        make = _function.__wrapped__
    return Program(make(train, own.structure, own.impls, members.varied, mesh), len(group.indices), own, members.shared, mesh)


@functools.lru_cache(maxsize=32)
def _function(train: Callable[..., Any], structure: Any, impls: tuple[str | None, ...], varied: tuple[bool, ...], mesh: Mesh | None) -> Any:
    """`train` over the leading axis of the leaves, jitted: the same object again for the same function, so that nothing compiles twice."""

    def one(leaves: Sequence[Any], shared: tuple[PyTree, ...]) -> PyTree:
        tx, *own = Packed((), structure, impls).tree(leaves[1:])
        rest, own = iter(shared), iter(own)
        return train(tx, *(next(own) if varies else next(rest) for varies in varied))

    batched = jax.vmap(one, in_axes=(0, None))
    if mesh is None:
        return jax.jit(batched)
    axis = member_axis(mesh)
    specs = {"in_specs": (PartitionSpec(axis), PartitionSpec()), "out_specs": PartitionSpec(axis)}
    return jax.jit(jax.shard_map(batched, mesh=mesh, axis_names={axis}, check_vma=False, **specs))


def fitting_chunk(program: Program, count: int) -> int:
    """The largest chunk of `count` members whose compiled program needs no more memory than a device has, in even parts.

    One compilation if all members fit, else as a rule one more.
    """
    chunk, room = count, device_room()
    while True:
        memory = program.compiled(padded(chunk, program.devices)).memory_analysis()
        need = 0 if memory is None else memory.temp_size_in_bytes + memory.argument_size_in_bytes + memory.output_size_in_bytes
        if need <= room or chunk <= program.devices:
            return chunk
        parts = -(-count // max(1, int(0.9 * chunk * room / need)))
        smaller = padded(-(-count // parts), program.devices)
        chunk = smaller if smaller < chunk else padded(chunk // 2, program.devices)


def padded(chunk: int, devices: int) -> int:
    """The next multiple of the number of devices."""
    return -(-chunk // devices) * devices


def device_room() -> float:
    """The bytes that a sweep may use on each device: 80 % of what is free on an accelerator, half of the machine's memory on CPUs."""
    device = jax.local_devices()[0]
    stats = device.memory_stats() or {}
    if "bytes_limit" in stats:
        return 0.8 * (stats["bytes_limit"] - stats.get("bytes_in_use", 0))
    return 0.5 * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / jax.local_device_count()
