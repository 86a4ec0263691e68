"""Trees as named leaves that a file can hold, and back: arrays in any dtype, random keys, None, numbers, strings."""

import ast
import collections
import dataclasses
import enum
import pathlib
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from gradtx._core.kinds import is_key, is_traced, shown
from gradtx._core.trees import path_name
from gradtx._core.types import PyTree

PLAIN = {1: "uint8", 2: "uint16", 4: "uint32", 8: "uint64"}
"""What stands in a file for the bits of a dtype that its format does not know."""


FIXED = (np.dtype, enum.Enum, pathlib.PurePath, slice, range, frozenset)
"""What belongs to a model's structure, as functions do, and is taken from the tree that is restored into."""


@dataclasses.dataclass(frozen=True)
class SavedLeaf:
    """A leaf as it is saved: where it is (steps of a path, each a kind and a key), what it is, and its numbers or its value.

    `kind` is "array" of JAX, "numpy", "key", "float0", "value" for what JSON can say, or "static" for a function or another object that
    is not saved.
    """

    path: tuple[tuple[str, Any], ...]
    name: str
    kind: str
    dtype: str = ""
    shape: tuple[int, ...] = ()
    value: Any = None
    bits: Any = None

    @property
    def described(self) -> str:
        return f"{self.dtype} {self.shape}" if self.kind in ("array", "numpy", "key", "float0") else str(self.value)

    def header(self) -> dict[str, Any]:
        """All but the numbers."""
        fields = {"path": [list(step) for step in self.path], "name": self.name, "kind": self.kind}
        fields |= {"dtype": self.dtype, "shape": list(self.shape)} if self.dtype else {}
        return fields | ({} if self.value is None else {"value": self.value})

    @staticmethod
    def from_header(fields: dict[str, Any], bits: Any) -> "SavedLeaf":
        path = tuple((str(kind), key) for kind, key in fields["path"])
        shape = tuple(fields.get("shape", ()))
        return SavedLeaf(path, fields["name"], fields["kind"], fields.get("dtype", ""), shape, fields.get("value"), bits)


def _is_end(node: Any) -> bool:
    return node is None or (type(node) in (dict, list, tuple) and not node)


def flattened(tree: PyTree) -> tuple[list[tuple[Any, Any]], Any]:
    """The leaves with their paths, and the structure; None and empty containers count as leaves."""
    return jax.tree_util.tree_flatten_with_path(tree, is_leaf=_is_end)


def saved_leaves(tree: PyTree, called: str) -> list[SavedLeaf]:
    """The leaves of a tree as they are saved. Names begin with `called`."""
    leaves = [saved_leaf(path, leaf, called) for path, leaf in flattened(tree)[0]]
    for (_, name), count in collections.Counter((leaf.path, leaf.name) for leaf in leaves).items():
        if count > 1:
            raise ValueError(
                f"save: {count} leaves have the path {name}, and one would come back for all of them. Give the keys other names."
            )
    return leaves


def _step(entry: Any) -> tuple[str, Any]:
    match entry:
        case jax.tree_util.DictKey(key=str() | int() | np.integer() as key) if not isinstance(key, bool):
            return "key", key if isinstance(key, str) else int(key)
        case jax.tree_util.SequenceKey(idx=index):
            return "index", index
        case jax.tree_util.GetAttrKey(name=name):
            return "name", name
        case _:
            return "other", jax.tree_util.keystr((entry,), simple=True)


def saved_leaf(path: tuple[Any, ...], leaf: Any, called: str) -> SavedLeaf:
    """One leaf as it is saved."""
    name = "/".join([called, *([path_name(path)] if path else [])])
    place = tuple(map(_step, path))
    if is_traced(leaf):
        raise TypeError(f"save: {name} has no value yet, {shown(leaf)}. Save outside of jit.")
    if _is_end(leaf):
        return SavedLeaf(place, name, "value", value={type(None): "None", dict: "{}", list: "[]", tuple: "()"}[type(leaf)])
    if type(leaf) in (bool, int, float, complex, str, bytes):
        return SavedLeaf(place, name, "value", value=repr(leaf), dtype=type(leaf).__name__)
    if not isinstance(leaf, jax.Array | np.ndarray | np.generic):
        if callable(leaf) or (isinstance(leaf, FIXED) and not isinstance(leaf, int | float | str)):
            return SavedLeaf(place, name, "static", value=type(leaf).__name__)
        raise TypeError(
            f"save: {name} is {shown(leaf)}, and would not come back. Save what it is made of, in arrays, numbers and strings: "
            "rng.bit_generator.state of a NumPy generator, for one."
        )
    if isinstance(leaf, jax.Array) and not (leaf.is_fully_addressable or leaf.is_fully_replicated):
        # other processes hold the rest; only a format that writes in parts can save it
        bits = jax.jit(jax.random.key_data)(leaf) if is_key(leaf) else leaf
    else:
        bits = np.asarray(jax.random.key_data(cast(Any, leaf)) if is_key(leaf) else leaf)
    if is_key(leaf):
        return SavedLeaf(place, name, "key", str(jax.random.key_impl(cast(Any, leaf))), tuple(leaf.shape), bits=bits)
    if leaf.dtype == jax.dtypes.float0:
        return SavedLeaf(place, name, "float0", "float0", tuple(leaf.shape))
    if not (jnp.issubdtype(leaf.dtype, jnp.number) or leaf.dtype == bool):
        raise TypeError(f"save: {name} is {shown(leaf)}, and that is no dtype of numbers. Leave it out.")
    kind = "array" if isinstance(leaf, jax.Array) else "numpy"
    return SavedLeaf(place, name, kind, leaf.dtype.name, tuple(leaf.shape), bits=bits)


def as_plain(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The array in a dtype that every reader of the file knows, with the same bits, little end first."""
    array = np.asarray(array, order="C")
    if array.dtype.isbuiltin != 2:  # 2 is a dtype that another library brought
        return array.astype(array.dtype.newbyteorder("<"), copy=False)
    return array.view(PLAIN[array.dtype.itemsize])


def rebuilt(leaf: SavedLeaf) -> Any:
    """The leaf that was saved."""
    if leaf.kind == "value":
        return {"None": None, "{}": {}, "[]": [], "()": ()}[leaf.value] if not leaf.dtype else _number(leaf)
    if leaf.kind == "float0":
        return np.zeros(leaf.shape, jax.dtypes.float0)
    if leaf.kind == "key":
        return jax.random.wrap_key_data(jnp.asarray(leaf.bits), impl=leaf.dtype)
    if isinstance(leaf.bits, jax.Array):
        return leaf.bits
    array = leaf.bits if leaf.bits.dtype.name == leaf.dtype else leaf.bits.view(np.dtype(leaf.dtype))
    if leaf.kind == "numpy":
        return array.copy()
    check_width(leaf.name, array.dtype)
    return jnp.array(array)


def check_width(name: str, dtype: Any) -> None:
    """Refuse numbers that JAX would make shorter."""
    if jax.dtypes.canonicalize_dtype(dtype) != dtype:
        raise TypeError(
            f"restore: {name} was saved in {dtype}, which JAX would narrow here. "
            'Write jax.config.update("jax_enable_x64", True) before restoring.'
        )


def _number(leaf: SavedLeaf) -> Any:
    if leaf.dtype in ("str", "bytes"):
        return ast.literal_eval(leaf.value)
    return {"bool": lambda text: text == "True", "int": int, "float": float, "complex": complex}[leaf.dtype](leaf.value)


def plain_tree(leaves: list[SavedLeaf]) -> PyTree:
    """The tree in dicts and lists, where nobody says what else it should be made of."""
    if len(leaves) == 1 and not leaves[0].path:
        return rebuilt(leaves[0])
    root: dict[Any, Any] = {}
    for leaf in leaves:
        node = root
        for step in leaf.path[:-1]:
            node = node.setdefault(step, {})
        node[leaf.path[-1]] = leaf
    return _container(root)


def _container(node: Any) -> Any:
    if isinstance(node, SavedLeaf):
        return None if node.kind == "static" else rebuilt(node)
    items = cast(dict[tuple[str, Any], Any], node).items()
    if node and all(kind == "index" for kind, _ in node):
        children = {index: child for (_, index), child in items}  # what has no leaves, such as an empty NamedTuple, left a gap
        return [_container(children[k]) if k in children else None for k in range(max(children) + 1)]
    return {key: _container(child) for (_, key), child in items}
