"""Optimizers of one structure as one value: each leaf an array with an entry for each member."""

from collections.abc import Iterable, Sequence
from typing import Any, cast

import jax
import numpy as np

from gradtx import GradientTransformation
from gradtx._core.kinds import is_key, shown
from gradtx._core.types import PyTree


def stack(optimizers: Iterable[GradientTransformation]) -> GradientTransformation:
    """A batch: optimizers of one structure as one value, whose leaves have a leading axis of members.

    `jax.vmap(train)(stack([adam(1e-3), adam(1e-2)]))` trains both. Structure is everything but the numbers: the factories, and
    arguments such as strings and functions. An error names what differs; `sweep` takes optimizers of several structures.
    """
    members = list(optimizers)
    if not members:
        raise ValueError("stack: there are no optimizers to stack; give at least one.")
    for k, tx in enumerate(members):
        if not isinstance(cast(Any, tx), GradientTransformation):
            raise TypeError(f"stack: member {k} must be a transformation of gradtx, got {shown(tx)}.")
        apart = difference(members[0], tx)
        if apart:
            raise ValueError(
                f"stack: members 0 and {k} are of different structures: {apart}. Make a batch of each, and give sweep the list of them."
            )
    if not jax.tree.leaves(members[0]):
        raise ValueError(f"stack: {members[0]} has no numbers, so its copies are all the same. Give sweep the optimizer itself.")
    return stacked(members)


def difference(a: Any, b: Any, where: str = "") -> str:
    """What keeps two values from being in one batch, in words; empty if nothing does."""
    at = f"{where} is " if where else "one is "
    if hasattr(a, "form") and hasattr(b, "form") and a.form is b.form:
        for name, value in a.arguments.items():
            inner = f"{where}: {name}" if where else name
            dynamic = a.form.kinds[name].dynamic
            found = difference(value, b.arguments[name], inner) if dynamic else _static_difference(value, b.arguments[name], inner)
            if found:
                return found
        return ""
    if type(a) is tuple and type(b) is tuple and len(a) == len(b):
        return next(filter(None, (difference(x, y, f"{where} {k}".strip()) for k, (x, y) in enumerate(zip(a, b, strict=True)))), "")
    if jax.tree.structure(a) != jax.tree.structure(b):
        return f"{at}{shown_briefly(a)} in the one and {shown_briefly(b)} in the other" if where else f"{a} and {b}"
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        if kind(x) != kind(y):
            return f"{at}{shown(x)} in the one and {shown(y)} in the other"
    return ""


def _static_difference(a: Any, b: Any, where: str) -> str:
    return "" if a == b else f"{where} is {shown_briefly(a)} in the one and {shown_briefly(b)} in the other"


def shown_briefly(value: Any) -> str:
    """A transformation or schedule as its call, anything else as errors show it."""
    return str(value) if hasattr(value, "form") else shown(value)


def kind(leaf: Any) -> tuple[tuple[int, ...], str]:
    """Shape and dtype of a leaf as a compiled program sees it; a number and an array scalar are alike."""
    if is_key(leaf):
        return tuple(leaf.shape), str(leaf.dtype)
    return np.shape(leaf), str(computed_dtype(leaf))


def computed_dtype(leaf: Any) -> np.dtype[Any]:
    """The dtype in which JAX computes with a leaf."""
    return jax.dtypes.canonicalize_dtype(leaf.dtype if hasattr(leaf, "dtype") else type(leaf))


def stacked(members: Sequence[PyTree]) -> PyTree:
    """Trees of one structure as one tree of arrays with a leading axis."""
    return jax.tree.map(lambda *leaves: _stacked_leaf(leaves), *members)


def _stacked_leaf(leaves: tuple[Any, ...]) -> Any:
    if is_key(leaves[0]):
        data = np.stack([np.asarray(jax.random.key_data(key)) for key in leaves])
        return jax.random.wrap_key_data(jax.numpy.asarray(data), impl=jax.random.key_impl(leaves[0]))
    return jax.numpy.asarray(np.stack([np.asarray(leaf) for leaf in leaves]).astype(computed_dtype(leaves[0])))
