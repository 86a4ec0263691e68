"""Saved leaves in the place of those of a tree, after making sure that they fit: paths, shapes, dtypes."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from gradtx._core.kinds import is_key
from gradtx._core.layouts import on_devices
from gradtx._core.types import PyTree
from gradtx.training._checkpoint_errors import MismatchedCheckpointError
from gradtx.training._checkpoint_leaves import SavedLeaf, check_width, flattened, rebuilt, saved_leaf

_ARRAYS = ("array", "numpy", "key", "float0")

Shardings: TypeAlias = Mapping[str, jax.sharding.Sharding]
"""Where leaves are to lie, by their names."""


def fitted(leaves: list[SavedLeaf], like: PyTree, called: str, source: Any, hint: str = "") -> PyTree:
    """A tree like `like` of the saved leaves, after `check_fits`."""
    check_fits(leaves, like, called, source, hint)
    wanted, structure = flattened(like)
    saved = {leaf.path: leaf for leaf in leaves}
    return structure.unflatten([_placed(saved[_expected(path, leaf, called).path], leaf) for path, leaf in wanted])


def check_fits(leaves: list[SavedLeaf], like: PyTree, called: str, source: Any, hint: str = "") -> None:
    """Refuse a tree that the saved leaves do not fit: all that are missing, unexpected or of another shape or dtype are listed."""
    wanted, _ = flattened(like)
    saved = {leaf.path: leaf for leaf in leaves}
    places = [_expected(path, leaf, called) for path, leaf in wanted]
    faults = [fault for place in places if (fault := _fault(saved.get(place.path), place))]
    known = {place.path for place in places}
    faults += [f"{leaf.name} is not expected; it is {leaf.described}" for leaf in leaves if leaf.path not in known]
    if faults:
        listed = "\n  ".join([*faults[:12], *([f"and {len(faults) - 12} more"] if len(faults) > 12 else [])])
        raise MismatchedCheckpointError(f"{source} does not fit the {called}:\n  {listed}{hint and chr(10) + hint}")


def _expected(path: Any, leaf: Any, called: str) -> SavedLeaf:
    """The leaf as it would be saved; an abstract one has no numbers."""
    if not isinstance(leaf, jax.ShapeDtypeStruct):
        return saved_leaf(path, leaf, called) if not isinstance(leaf, jax.Array) else _abstract(path, leaf, called)
    return _abstract(path, leaf, called)


def _abstract(path: Any, leaf: Any, called: str) -> SavedLeaf:
    place = saved_leaf(path, None, called)
    if is_key(leaf):
        # the name of a key's dtype is that of its implementation in <>
        return SavedLeaf(place.path, place.name, "key", str(leaf.dtype).removeprefix("key<").removesuffix(">"), tuple(leaf.shape))
    return SavedLeaf(place.path, place.name, "array", jnp.dtype(leaf.dtype).name, tuple(leaf.shape))


def _fault(saved: SavedLeaf | None, place: SavedLeaf) -> str:
    if saved is None:
        return f"{place.name} is missing; {place.described} is expected"
    arrays = saved.kind in _ARRAYS, place.kind in _ARRAYS
    if all(arrays):
        dtypes = {saved.dtype, place.dtype} if "key" not in (saved.kind, place.kind) else {_short(saved), _short(place)}
        same = len(dtypes) == 1 and saved.shape == place.shape and (saved.kind == "key") == (place.kind == "key")
    else:
        same = not any(arrays) and saved.kind == place.kind and saved.dtype == place.dtype and (saved.dtype or saved.value == place.value)
    return "" if same else f"{saved.name} is {saved.described}, where {place.described} is expected"


_KEYS = {"fry": "threefry2x32", "rbg": "rbg", "urbg": "unsafe_rbg"}


def _short(leaf: SavedLeaf) -> str:
    """The name of a key's implementation, which a dtype abbreviates."""
    return _KEYS.get(leaf.dtype, leaf.dtype)


def given_shardings(**trees: PyTree) -> Shardings:
    """Where the leaves of trees are to lie, by their names in a checkpoint, where that was said."""
    leaves = [(saved_leaf(path, None, called).name, leaf) for called, tree in trees.items() for path, leaf in flattened(tree)[0]]
    return {name: sharding for name, leaf in leaves if (sharding := _given_sharding(leaf)) is not None}


def _given_sharding(like: Any) -> jax.sharding.Sharding | None:
    committed = isinstance(like, jax.ShapeDtypeStruct) or getattr(like, "committed", False)
    return on_devices(getattr(like, "sharding", None)) if committed else None


def _placed(saved: SavedLeaf, like: Any) -> Any:
    """The leaf, where the one that it replaces lies; what is not saved, a function, is that one itself."""
    if saved.kind == "static":
        return like
    value = rebuilt(saved)
    if isinstance(like, np.ndarray | np.generic) or not hasattr(like, "dtype"):
        return np.asarray(value) if isinstance(value, jax.Array) and isinstance(like, np.ndarray) else value
    if not isinstance(value, jax.Array) and value.dtype != jax.dtypes.float0:
        check_width(saved.name, value.dtype)
        value = jnp.asarray(value)
    sharding = _given_sharding(like)
    return value if sharding is None else jax.device_put(value, sharding)
