"""Where arrays lie: layouts that are part of the types, on meshes with explicit axes, and those that a step keeps on any mesh."""

import functools
import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

import jax
from jax.sharding import AxisType

from gradtx._core.kinds import is_traced
from gradtx._core.types import PyTree

Out = TypeVar("Out")


def is_told(sharding: Any) -> bool:
    """Whether it is a sharding that is part of an array's type; else the compiler decides."""
    return sharding is not None and AxisType.Explicit in sharding.mesh.axis_types


def on_devices(sharding: Any) -> Any:
    """The sharding; one of an abstract mesh, as shapes have under `jax.set_mesh`, on the devices of that mesh, None where it is another."""
    if not isinstance(getattr(sharding, "mesh", None), jax.sharding.AbstractMesh):
        return sharding
    mesh = jax.sharding.get_mesh()
    return None if mesh.empty or mesh.abstract_mesh != sharding.mesh else jax.NamedSharding(mesh, sharding.spec)


def shared_by(leaf: jax.Array, rows: int, beside: int = 0) -> Any:
    """How so many rows of a leaf lie, behind other axes: on the devices that the leaf is on, or on all where these do not divide them."""
    sharding = jax.typeof(leaf).sharding
    first, *others = sharding.spec
    devices = math.prod(sharding.mesh.shape[name] for name in (() if first is None else first if isinstance(first, tuple) else (first,)))
    return jax.NamedSharding(sharding.mesh, jax.P(*(None,) * beside, None if rows % devices else first, *others))


def laid_out(function: Callable[..., Out], shardings: Any, *arguments: Any) -> Out:
    """`function(*arguments)`, inside of which the compiler decides where arrays lie, and whose results lie as they are told to."""
    told = any(map(is_told, jax.tree.leaves(shardings)))
    return (cast(Any, jax.sharding.auto_axes)(function, out_sharding=shardings) if told else function)(*arguments)


def whole(leaf: jax.Array) -> jax.Array:
    """The leaf on every device, where a mesh with explicit axes wants to be told; elsewhere the compiler decides."""
    sharding = jax.typeof(leaf).sharding
    return jax.sharding.reshard(leaf, jax.NamedSharding(sharding.mesh, jax.P(*(None for _ in leaf.shape)))) if any(sharding.spec) else leaf


def every_layer(leaf: jax.Array) -> jax.Array:
    """The leaf with all of its first axis on every device, where a mesh with explicit axes wants to be told."""
    sharding = jax.typeof(leaf).sharding
    spread = any(sharding.spec[:1])
    return jax.sharding.reshard(leaf, jax.NamedSharding(sharding.mesh, jax.P(None, *sharding.spec[1:]))) if spread else leaf


def placed(leaf: jax.Array, like: Any) -> jax.Array:
    """The leaf where another one of its shape lies, where that was told."""
    sharding = like.sharding if isinstance(like, jax.ShapeDtypeStruct) else jax.typeof(like).sharding
    return jax.sharding.reshard(leaf, sharding) if sharding is not None and any(sharding.spec) else leaf


def placed_along(leaf: jax.Array, like: jax.Array) -> jax.Array:
    """The leaf with its first axis where that of another one of its length lies, where that was told."""
    sharding = jax.typeof(like).sharding
    return jax.sharding.reshard(leaf, jax.NamedSharding(sharding.mesh, jax.P(sharding.spec[0]))) if any(sharding.spec[:1]) else leaf


def layout_of(params: PyTree, state: PyTree) -> tuple[Any, ...]:
    """Where the leaves of parameters and state lie, for a program whose results shall lie there too; nothing on one device.

    None stands for leaves that lie on no mesh, or in another memory.
    """
    first = next((leaf for leaf in jax.tree.leaves(params) if isinstance(leaf, jax.Array)), None)
    if first is None or is_traced(first) or len(first.sharding.device_set) == 1:
        return ()
    return tuple(_sharding_in_memory(leaf) for leaf in jax.tree.leaves((params, state)))


def _sharding_in_memory(leaf: Any) -> Any:
    sharding = getattr(leaf, "sharding", None)
    return _shortest(sharding) if isinstance(sharding, jax.NamedSharding) and sharding.memory_kind in (None, "device") else None


@functools.lru_cache(maxsize=512)
def _shortest(sharding: jax.NamedSharding) -> jax.NamedSharding:
    """The sharding without the axes at the end that are not spread, so that one that lies alike is equal."""
    spread = [k for k, names in enumerate(sharding.spec) if names]
    return jax.NamedSharding(sharding.mesh, jax.P(*sharding.spec[: max(spread, default=-1) + 1]))


def laid_out_as(where: tuple[Any, ...], params: PyTree, state: PyTree) -> tuple[PyTree, PyTree]:
    """Parameters and state as `layout_of` found those that came in."""
    if not where:
        return params, state
    leaves, structure = jax.tree.flatten((params, state))
    return structure.unflatten([leaf if at is None else _kept_at(leaf, at) for leaf, at in zip(leaves, where, strict=True)])


def _kept_at(leaf: jax.Array, sharding: jax.NamedSharding) -> jax.Array:
    return (jax.sharding.reshard if is_told(sharding) else jax.lax.with_sharding_constraint)(leaf, sharding)
