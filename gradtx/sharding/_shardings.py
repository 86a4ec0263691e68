"""The sharding of each leaf of a state, from those of the parameters."""

import math
from typing import Any, cast

import jax
import jax.numpy as jnp

import gradtx as gx
from gradtx._core.kinds import shown
from gradtx._core.trees import is_trainable, path_name
from gradtx._core.types import PyTree
from gradtx.sharding._layout import LeafLayout, layout

Names = tuple[tuple[str, ...], ...]
"""For each axis of an array the axes of the mesh that it is spread over."""


def state_shardings(
    tx: gx.GradientTransformation, params: PyTree, mesh: jax.sharding.Mesh, *, zero: str | None = None, memory_kind: str | None = None
) -> PyTree:
    """A tree like `tx.init(params)` of `jax.NamedSharding`s: each slot is spread like its parameter along the axes that they share.

    `params` are arrays, or `jax.ShapeDtypeStruct`s with `sharding=`; a leaf that has none is on every device. Counts, scalars and
    bases (`"projected"` in `layout`) are on every device, and so is an axis that the mesh does not divide. `zero` names an axis of the
    mesh over which each slot is spread as well, along the largest of its axes that it divides: ZeRO stage 1 (Rajbhandari et al.
    2020), with 1/n of the state on a device for replicated parameters and one all-gather of the updates. `memory_kind` says
    where slots lie, `"pinned_host"` for one; scalars stay on the device. Hand the result to
    `jax.jit(tx.init, out_shardings=...)` and to the `out_shardings` of the step, or to `jax.device_put`.
    """
    if not isinstance(cast(Any, mesh), jax.sharding.Mesh):
        raise TypeError(f"state_shardings: mesh must be a jax.sharding.Mesh, got {shown(mesh)}. Write jax.make_mesh((8,), ('data',)).")
    if zero is not None and zero not in mesh.shape:
        raise ValueError(f"state_shardings: zero={zero!r} is no axis of the mesh, whose axes are {', '.join(mesh.axis_names)}.")
    _check_memory(memory_kind, mesh)
    specs = {path_name(path): _names(leaf, mesh, path_name(path)) for path, leaf in jax.tree_util.tree_leaves_with_path(params)}

    def where(leaf: LeafLayout) -> jax.NamedSharding:
        spec = ((),) * len(leaf.shape)
        if leaf.owner is not None and leaf.relation != "projected":
            spec = _inherited(leaf, specs[leaf.owner], mesh)
            spec = spec if zero is None else _spread(leaf.shape, spec, zero, mesh)
        kind = memory_kind if leaf.shape else None
        return jax.NamedSharding(
            mesh, jax.P(*(names if len(names) > 1 else names[0] if names else None for names in spec)), memory_kind=kind
        )

    return jax.tree.map(where, layout(tx, params))


def _check_memory(kind: str | None, mesh: jax.sharding.Mesh) -> None:
    known = sorted({memory.kind for memory in mesh.devices.flat[0].addressable_memories()})
    if kind is not None and kind not in known:
        raise ValueError(f"state_shardings: memory_kind={kind!r} is none of these devices', which are {', '.join(known)}.")


def _names(leaf: Any, mesh: jax.sharding.Mesh, name: str) -> Names:
    """For each axis of a parameter the axes of the mesh that it is spread over."""
    sharding, ndim = getattr(leaf, "sharding", None), len(jnp.shape(leaf)) if is_trainable(leaf) else 0
    if sharding is None or isinstance(sharding, jax.sharding.SingleDeviceSharding):
        return ((),) * ndim
    if not isinstance(sharding, jax.NamedSharding):
        raise TypeError(
            f"state_shardings: the parameter at {name} has the sharding {shown(sharding)}. Give it a jax.NamedSharding(mesh, spec)."
        )
    if dict(sharding.mesh.shape) != dict(mesh.shape):
        raise ValueError(
            f"state_shardings: the parameter at {name} lies on the mesh {dict(sharding.mesh.shape)}, not on {dict(mesh.shape)}."
        )
    entries = (*sharding.spec, *(None for _ in range(ndim - len(sharding.spec))))
    return tuple(() if entry is None else entry if isinstance(entry, tuple) else (entry,) for entry in entries)


def _inherited(leaf: LeafLayout, owner: Names, mesh: jax.sharding.Mesh) -> Names:
    """The owner's names along the axes that they share. Several axes in one would be cut in another way: they stay whole."""

    def names(k: int) -> tuple[str, ...]:
        found = owner[leaf.axes[k][0]] if len(leaf.axes[k]) == 1 else ()
        return found if leaf.shape[k] % _count(found, mesh) == 0 else ()

    return tuple(names(k) for k in range(len(leaf.shape)))


def _spread(shape: tuple[int, ...], spec: Names, zero: str, mesh: jax.sharding.Mesh) -> Names:
    """The names with `zero` added at the axis whose share is the largest that it divides, if it is not there yet."""
    shares = [size // _count(names, mesh) for size, names in zip(shape, spec, strict=True)]
    divided = [k for k, share in enumerate(shares) if share and share % mesh.shape[zero] == 0]
    if any(zero in names for names in spec) or not divided:
        return spec
    largest = max(divided, key=lambda k: shares[k])
    return tuple((*names, zero) if k == largest else names for k, names in enumerate(spec))


def _count(names: tuple[str, ...], mesh: jax.sharding.Mesh) -> int:
    return math.prod(mesh.shape[name] for name in names)


def bytes_per_device(tree: PyTree, shardings: PyTree = None) -> int:
    """How many bytes of a tree lie on one device: `bytes_per_device(jax.eval_shape(tx.init, params), shardings)`.

    The leaves are arrays or `jax.ShapeDtypeStruct`s, with their own shardings unless `shardings`, a tree like them, has others. It
    counts the logical arrays; a compiler may pad them, on TPUs to tiles.
    """
    leaves = jax.tree.leaves(tree)
    given = [getattr(leaf, "sharding", None) for leaf in leaves] if shardings is None else jax.tree.leaves(shardings)
    shares = ((leaf.shape if s is None else s.shard_shape(leaf.shape), leaf.dtype) for leaf, s in zip(leaves, given, strict=True))
    return sum(math.prod(shape) * dtype.itemsize for shape, dtype in shares)
