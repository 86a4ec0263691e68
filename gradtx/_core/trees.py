"""The boundary between the trees users have and the trees the parts see.

Inside, every leaf is a real array in float32 or wider. What cannot be trained (None, integers, bools, keys, float0,
functions) is None there, and a complex leaf is its real and imaginary part, each a leaf of its own.
"""

import dataclasses
import functools
import re
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from gradtx._core.kinds import shown
from gradtx._core.numerics import widened
from gradtx._core.types import PyTree


def path_names(path: tuple[Any, ...]) -> tuple[str, ...]:
    """The name of each step of a path."""
    return tuple(jax.tree_util.keystr((key,), simple=True) for key in path)


def path_name(path: tuple[Any, ...]) -> str:
    """`layers/0/w` for a key path, `(the leaf itself)` for a bare leaf."""
    return jax.tree_util.keystr(path, simple=True, separator="/") or "(the leaf itself)"


def leaves_by_path(tree: PyTree) -> tuple[list[tuple[Any, Any]], Any]:
    """The leaves of a tree with None counted among them, each with its path, and the structure."""
    return jax.tree_util.tree_flatten_with_path(tree, is_leaf=lambda leaf: leaf is None)


def is_trainable(leaf: Any) -> bool:
    if isinstance(leaf, float | complex):
        return True
    return hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.inexact)


def is_array(leaf: Any) -> bool:
    """Whether JAX computes with it: a number or an array that has a value, traced or not."""
    if isinstance(leaf, np.ndarray | np.generic):
        return leaf.dtype.kind not in "OSU"
    return isinstance(leaf, bool | int | float | complex | jax.Array) or hasattr(leaf, "__jax_array__")


def structure_as_text(structure: Any) -> str:
    """The structure of a tree in words that another process would find too: functions by their names, without their places in memory."""
    return re.sub(r" at 0x[0-9a-f]+", "", str(structure))


def structure_difference(expected: PyTree, given: PyTree) -> str:
    """Where two trees part ways, in words: missing and unexpected paths, or containers of different types."""
    wanted = {path_name(path) for path, _ in leaves_by_path(expected)[0]}
    found = {path_name(path) for path, _ in leaves_by_path(given)[0]}
    parts: list[str] = []
    for label, names in (("missing", wanted - found), ("unexpected", found - wanted)):
        if names:
            listed = sorted(names)
            parts.append(f"{label}: {', '.join(listed[:4])}{f' and {len(listed) - 4} more' if len(listed) > 4 else ''}")
    if not parts:
        parts.append(_container_difference(expected, given, ()))
    return "; ".join(parts)


def _container_difference(expected: PyTree, given: PyTree, path: tuple[Any, ...]) -> str:
    """The first place where two trees with equal paths have containers of different types."""
    if type(expected) is not type(given):
        place = f"at {path_name(path)}" if path else "at the top"
        return f"{place} there is a {type(given).__name__} where a {type(expected).__name__} is expected"
    if isinstance(expected, dict) and set(expected) != set(given):
        missing, unexpected = sorted(map(str, set(expected) - set(given))), sorted(map(str, set(given) - set(expected)))
        return f"missing: {', '.join(missing) or 'nothing'}; unexpected: {', '.join(unexpected) or 'nothing'}"
    for (key, want), (_, have) in zip(_children(expected), _children(given), strict=False):
        if jax.tree.structure(want) != jax.tree.structure(have):
            return _container_difference(want, have, (*path, *key))
    return "the containers differ in their static fields"


def _children(tree: PyTree) -> list[tuple[Any, Any]]:
    return jax.tree_util.tree_flatten_with_path(tree, is_leaf=lambda child: child is not tree)[0]


@final
@dataclasses.dataclass(frozen=True)
class Leaves:
    """What the leaves of the user's tree are called and look like, for parts that see them otherwise.

    `kinds` holds shape and dtype of each leaf, or None where it is not trained; `called` is what the tree is.
    """

    structure: Any
    kinds: tuple[tuple[tuple[int, ...], Any] | None, ...]
    called: str

    @functools.cached_property
    def entries(self) -> dict[tuple[Any, ...], tuple[str, jax.ShapeDtypeStruct]]:
        """Name and abstract value of each trained leaf by its path."""
        paths = jax.tree_util.tree_leaves_with_path(self.structure.unflatten(range(len(self.kinds))))
        return {
            path: (path_name(path), jax.ShapeDtypeStruct(*kind))
            for (path, _), kind in zip(paths, self.kinds, strict=True)
            if kind is not None
        }

    @functools.cached_property
    def untrained(self) -> tuple[str, ...]:
        """Names of the leaves that are not trained."""
        paths = jax.tree_util.tree_leaves_with_path(self.structure.unflatten(range(len(self.kinds))))
        return tuple(path_name(path) for (path, _), kind in zip(paths, self.kinds, strict=True) if kind is None)

    def at(self, path: tuple[Any, ...], inner: Any) -> tuple[str, Any]:
        """Name and abstract value of the user's leaf that the parts see as `inner` at `path`; both parts of a complex one are it."""
        found = self.entries.get(path) or self.entries.get(path[:-1])
        return found or (path_name(path), jax.ShapeDtypeStruct(jnp.shape(inner), jnp.result_type(inner)))


@final
class Boundary:
    """One tree of the user's, `like`, and how its leaves are seen inside. Errors name it as `called` and begin with `part`."""

    def __init__(self, like: PyTree, called: str, part: str) -> None:
        self.like, self.called, self.part = like, called, part
        entries, self.structure = leaves_by_path(like)
        self.paths = [path for path, _ in entries]
        self.leaves = [leaf for _, leaf in entries]

    def names(self) -> Leaves:
        """The leaves by name, shape and dtype."""
        kinds = tuple((jnp.shape(leaf), jnp.result_type(leaf)) if is_trainable(leaf) else None for leaf in self.leaves)
        return Leaves(self.structure, kinds, self.called)

    def check(self, tree: PyTree, called: str) -> list[Any]:
        """The leaves of `tree`, after making sure that it fits `like` leaf by leaf."""
        entries, structure = leaves_by_path(tree)
        if structure != self.structure:
            raise ValueError(
                f"{self.part}: the {called} are not a tree like the {self.called}: {structure_difference(self.like, tree)}. "
                f"Give one {called.removesuffix('s')} for each leaf of the {self.called}, as jax.grad of the loss does."
            )
        for path, own, (_, leaf) in zip(self.paths, self.leaves, entries, strict=True):
            self._check_leaf(path_name(path), own, leaf, called)
        return [leaf for _, leaf in entries]

    def _check_leaf(self, name: str, own: Any, leaf: Any, called: str) -> None:
        if not is_trainable(own):
            return
        given = f"{self.part}: the {called} have"
        if leaf is None:
            raise ValueError(
                f"{given} None at {name}, where the {self.called} have {shown(own)}. To leave a leaf out, make it None "
                "in both, or wrap the optimizer in freeze(...)."
            )
        if not is_trainable(leaf):
            raise TypeError(
                f"{given} {shown(leaf)} at {name}, where the {self.called} have {shown(own)}. Give a floating-point array: what jax.grad "
                "of the loss gives, or array.astype(jnp.float32)."
            )
        if isinstance(leaf, jax.ShapeDtypeStruct):
            raise TypeError(
                f"{given} no value at {name}, {leaf}. Give an array, or write jax.eval_shape(tx.update, updates, state, params) for shapes."
            )
        if jnp.shape(leaf) != jnp.shape(own):
            raise ValueError(
                f"{given} shape {jnp.shape(leaf)} at {name}, where the {self.called} have shape {jnp.shape(own)}. "
                "They would broadcast in silence; give both the same shape."
            )
        if jnp.iscomplexobj(leaf) and not jnp.iscomplexobj(own):
            raise TypeError(
                f"{given} complex numbers at {name}, where the {self.called} are real, {shown(own)}. "
                "Take the real part first: jnp.real(...)."
            )

    def inward(self, tree: PyTree, called: str) -> PyTree:
        """`tree` as the parts see it, cast to the wide dtype of `like`."""
        leaves = self.check(tree, called)
        return self.structure.unflatten([_inside(own, leaf) for own, leaf in zip(self.leaves, leaves, strict=True)])

    def outward(self, inner: PyTree, tree: PyTree) -> PyTree:
        """`inner` as the user sees it: in the dtypes of `tree`, with its untrainable leaves unchanged (as updates: zero)."""
        inside = self.structure.flatten_up_to(inner)
        outside = [leaf for _, leaf in leaves_by_path(tree)[0]]
        return self.structure.unflatten([_outside(new, leaf) for new, leaf in zip(inside, outside, strict=True)])

    def restored(self, inner: PyTree) -> PyTree:
        """`inner` as a tree like `like`, untrainable leaves taken from there: what a loss can be evaluated at."""
        inside = self.structure.flatten_up_to(inner)
        return self.structure.unflatten(
            [_outside(new, own) if jax.tree.leaves(new) else own for new, own in zip(inside, self.leaves, strict=True)]
        )


def _inside(own: Any, leaf: Any) -> Any:
    if not is_trainable(own):
        return None
    array = jnp.asarray(leaf)
    dtype = widened(jnp.result_type(own))
    if jnp.iscomplexobj(own):
        return {"real": jnp.real(array).astype(dtype), "imag": jnp.imag(array).astype(dtype)}
    return array.astype(dtype)


def _outside(new: Any, leaf: Any) -> Any:
    if new is None:
        is_number = hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.number) and leaf.dtype != jax.dtypes.float0
        return jnp.zeros_like(leaf) if is_number else leaf
    dtype = jnp.result_type(leaf)
    if isinstance(new, dict):
        real = jnp.finfo(dtype).dtype
        return jax.lax.complex(new["real"].astype(real), new["imag"].astype(real))
    return new.astype(dtype)
