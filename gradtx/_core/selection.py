"""Choosing leaves by path or by a predicate."""

import fnmatch
from collections.abc import Callable
from typing import Any, TypeAlias

import jax

from gradtx._core.trees import path_name
from gradtx._core.types import PyTree

Where: TypeAlias = str | Callable[[str, Any], bool] | None
"""Which leaves: a pattern over paths (`"*/kernel"`), a function of path and leaf, or None for all.

Leaves are meant as the parts see them: real, in float32 or wider, a complex leaf `w` as `w/real` and `w/imag`.
"""


def selected(tree: PyTree, where: Where) -> PyTree:
    """A tree of bools: which leaves of `tree` are meant. A pattern that matches none is an error."""
    if where is None:
        return jax.tree.map(lambda _: True, tree)
    if isinstance(where, str):
        chosen = jax.tree_util.tree_map_with_path(lambda path, _: fnmatch.fnmatchcase(path_name(path), where), tree)
    else:
        chosen = jax.tree_util.tree_map_with_path(lambda path, leaf: bool(where(path_name(path), leaf)), tree)
    names = [path_name(path) for path, _ in jax.tree_util.tree_leaves_with_path(tree)]
    if names and isinstance(where, str) and not any(jax.tree.leaves(chosen)):
        raise ValueError(f"where={where!r} matches no leaf; the paths are {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}.")
    return chosen
