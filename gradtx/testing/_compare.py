"""Comparisons that say at which leaf two trees differ."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradtx._core.kinds import is_key
from gradtx._core.trees import path_name, structure_difference
from gradtx._core.types import PyTree
from gradtx.testing._law import Violation

NARROW = {"rtol": 2e-5, "atol": 2e-6}
"""How far float32 results may be apart that only sum in another order."""

WIDE = {"rtol": 1e-8, "atol": 1e-11}
"""The same in float64."""


def data(leaf: Any) -> np.ndarray:
    """A leaf as numbers: keys by their bits, half precision as float32."""
    if is_key(leaf):
        leaf = jax.random.key_data(leaf)
    array = np.asarray(leaf)
    return array.astype(np.float32) if array.dtype.name in ("bfloat16", "float16") else array


def stacked(trees: Sequence[PyTree]) -> PyTree:
    """The trees as one, a row for each. Put together by NumPy, which compiles no program for a shape."""

    def one(*leaves: Any) -> jax.Array:
        if is_key(leaves[0]):
            return jnp.stack(leaves)
        return jnp.asarray(np.stack([np.asarray(leaf) for leaf in leaves]))

    return jax.tree.map(one, *trees)


def member(tree: PyTree, k: int) -> PyTree:
    """Row k of each leaf."""
    return jax.tree.map(lambda leaf: leaf[k] if is_key(leaf) else np.asarray(leaf)[k], tree)


def shown(leaf: Any) -> str:
    """A leaf in short, for a report."""
    if not hasattr(leaf, "dtype"):
        return repr(leaf)
    kind = f"{leaf.dtype}{list(leaf.shape)}{' weak' if getattr(leaf, 'weak_type', False) else ''}"
    if isinstance(leaf, jax.ShapeDtypeStruct):
        return kind
    numbers = np.array2string(data(leaf).ravel()[:4], precision=7, separator=", ")
    return f"{kind} {numbers[:-1] + ', ...]' if data(leaf).size > 4 else numbers}"


def compilations(compiled: Any) -> int:
    """How many programs a jitted function has compiled, one for each combination of types, weak types and shardings."""
    return compiled._cache_size()


def program(function: Callable[..., Any], *given: PyTree) -> str:
    """All that a function computes and returns, as text. Equal texts are equal programs."""
    return re.sub(r"0x[0-9a-f]+", "", str(jax.make_jaxpr(function, return_shape=True)(*given)))


def same_structure(expected: PyTree, seen: PyTree) -> None:
    if jax.tree.structure(expected) != jax.tree.structure(seen):
        raise Violation("the same structure", structure_difference(expected, seen))


def _pairs(expected: PyTree, seen: PyTree) -> list[tuple[str, Any, Any]]:
    same_structure(expected, seen)
    entries = jax.tree_util.tree_leaves_with_path(expected)
    return [(path_name(path), want, have) for (path, want), have in zip(entries, jax.tree.leaves(seen), strict=True)]


def same_types(expected: PyTree, seen: PyTree) -> None:
    """Equal structure, shapes, dtypes and weak types."""
    for name, want, have in _pairs(expected, seen):
        want, have = (
            jax.typeof(want) if not hasattr(want, "weak_type") else want,
            jax.typeof(have) if not hasattr(have, "weak_type") else have,
        )
        if (want.shape, want.dtype, want.weak_type) != (have.shape, have.dtype, have.weak_type):
            raise Violation(_type(want), _type(have), name)


def _type(aval: Any) -> str:
    return f"{aval.dtype}{list(aval.shape)}{' weak' if aval.weak_type else ''}"


def identical(expected: PyTree, seen: PyTree) -> None:
    """Equal to the last bit; NaN equals NaN."""
    for name, want, have in _pairs(expected, seen):
        if data(want).shape != data(have).shape or data(want).tobytes() != data(have).tobytes():
            raise Violation(shown(want), shown(have), name)


def close(expected: PyTree, seen: PyTree, *, rtol: float, atol: float) -> None:
    for name, want, have in _pairs(expected, seen):
        if data(want).shape != data(have).shape or not np.allclose(data(want), data(have), rtol=rtol, atol=atol, equal_nan=True):
            raise Violation(shown(want), shown(have), name)


def finite(tree: PyTree, called: str) -> None:
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        if hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.inexact) and not bool(jnp.all(jnp.isfinite(leaf))):
            raise Violation("finite numbers", shown(leaf), f"{called}/{path_name(path)}")
