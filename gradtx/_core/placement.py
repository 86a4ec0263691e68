"""Where a new state lies: each slot with its parameter, everything else on all of their devices."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.kinds import is_traced
from gradtx._core.layouts import placed
from gradtx._core.types import PyTree


def beside(params: PyTree, state: PyTree) -> PyTree:
    """`state`, laid out so that no step moves it: whole slots like the parameter whose path and shape they have.

    Outside of jit nearly all slots lie there already; counts and scalars go to every device that has parameters. Inside,
    where a slot of zeros would be made on one device, it is tied to its parameter.
    """
    leaves = jax.tree.leaves(params)
    if any(is_traced(leaf) for leaf in leaves):
        return _tied(params, state)
    meshes = (leaf.sharding.mesh for leaf in leaves if isinstance(getattr(leaf, "sharding", None), jax.NamedSharding))
    mesh = next((mesh for mesh in meshes if mesh.size > 1), None)
    if mesh is None:
        return state
    everywhere = jax.NamedSharding(mesh, jax.P())

    owner = owners(params)

    def spread(path: tuple[Any, ...], leaf: Any) -> Any:
        if not isinstance(leaf, jax.Array) or is_traced(leaf):
            return leaf
        where = getattr(owner(path, leaf), "sharding", None) or everywhere
        there = leaf.sharding.device_set == everywhere.device_set
        spread = there and not leaf.sharding.is_fully_replicated  # as somebody wanted it
        return leaf if spread or (there and where.is_fully_replicated) else jax.device_put(leaf, where)

    return jax.tree_util.tree_map_with_path(spread, state)


BASIS, FACTORS = map(jax.tree_util.DictKey, ("basis", "factors"))


def is_turned(place: tuple[Any, ...], leaf: Any) -> bool:
    """Whether a leaf in an entry of a state is in other coordinates than its parameter, whatever its shape.

    Bases are, and what is measured along them, and so are factors that are matrices, square ones.
    """
    return BASIS in place or (FACTORS in place and leaf.ndim > 1)


def owners(params: PyTree) -> Callable[[tuple[Any, ...], Any], Any]:
    """A function that finds the parameter whose path and shape a slot of the state has, along whose axes it runs."""
    by_path = dict(jax.tree_util.tree_leaves_with_path(params))

    def owner(path: tuple[Any, ...], leaf: Any) -> Any:
        at = next((k for k in range(len(path) + 1) if path[k:] in by_path), None)
        if at is None or is_turned(path[:at], leaf):
            return None
        found = by_path[path[at:]]
        return found if getattr(found, "shape", None) == leaf.shape else None

    return owner


def like(owner: jax.Array, leaf: jax.Array) -> jax.Array:
    """`leaf`, laid out like `owner`, which has its shape.

    A constant belongs to no device, and a compiler puts it on all of them. Chosen element by element, and never, from
    `owner`, it follows the owner's layout. The barrier hides from
    the compiler that the choice is no choice.
    """
    return jnp.where(jax.lax.optimization_barrier(False), owner.astype(leaf.dtype), leaf)


def varying_like(params: PyTree, state: PyTree) -> PyTree:
    """`state` as it is once gradients decided over it: within `jax.shard_map`, varying over the axes of the parameters."""
    axes = frozenset[str]().union(*map(_varying_axes, jax.tree.leaves(params)))

    def varied(leaf: Any) -> Any:
        missing = tuple(sorted(axes - _varying_axes(leaf)))
        return jax.lax.pcast(leaf, missing, to="varying") if missing else leaf

    return jax.tree.map(varied, state) if axes else state


def _varying_axes(leaf: Any) -> frozenset[str]:
    kind: Any = jax.typeof(leaf)
    return kind.vma if hasattr(kind, "vma") else kind.manual_axis_type.varying  # JAX 0.10 moved it


def _tied(params: PyTree, state: PyTree) -> PyTree:
    owner = owners(params)

    def tied(path: tuple[Any, ...], leaf: Any) -> Any:
        own = owner(path, leaf)
        return leaf if own is None or not jnp.issubdtype(leaf.dtype, jnp.number) else like(own, placed(leaf, own))

    return jax.tree_util.tree_map_with_path(tied, state)


def scalar_beside(owner: jax.Array) -> jax.Array:
    """A zero that lies on every device that `owner` lies on, where a constant would lie on one."""
    return jnp.where(jax.lax.optimization_barrier(False), jnp.sum(owner), jnp.zeros((), owner.dtype))
