"""Which leaves a pattern means: by path, or by a predicate on path and leaf."""

import fnmatch
import inspect
import re
from collections.abc import Callable
from typing import Any, TypeAlias

import jax

from gradtx._core.kinds import shown

Pattern: TypeAlias = str | re.Pattern[str] | Callable[[str, Any], bool]
"""A pattern over whole paths (`"*/kernel"`), a regular expression to be found in them, or a function of path and leaf."""


def accepted_pattern(value: Any, where: str, or_none: str = "") -> Any:
    """`value` if it is a pattern, or an error that begins with `where`."""
    if inspect.isfunction(value) and not _takes_two(value):
        raise TypeError(
            f"{where} must take two arguments, the path and the leaf, got {shown(value)}. Write lambda path, leaf: leaf.ndim > 1."
        )
    if isinstance(value, str | re.Pattern) or (callable(value) and not hasattr(value, "init") and not isinstance(value, type)):
        return value
    swapped = " A transformation stands in its place: are two arguments swapped?" if hasattr(value, "init") else ""
    raise TypeError(
        f"{where} must be a pattern over paths, a function of path and leaf{or_none}, got {shown(value)}.{swapped} "
        "Write '*/kernel', or lambda path, leaf: leaf.ndim > 1."
    )


def _takes_two(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind("path", "leaf")
    except TypeError:
        return False
    return True


def fits(pattern: Pattern, name: str, leaf: Any, part: str) -> bool:
    """Whether the leaf called `name` is meant; `part` is who asks."""
    if isinstance(pattern, str):
        return fnmatch.fnmatchcase(name, pattern)
    if isinstance(pattern, re.Pattern):
        return pattern.search(name) is not None
    try:
        return bool(pattern(name, leaf))
    except AttributeError as error:
        if not isinstance(error.obj, jax.ShapeDtypeStruct | OfUpdate):
            raise
        raise TypeError(
            f"{part}: where asked the leaf {name} for {error.name!r}. It may ask for shape, dtype, ndim and size: leaves are "
            "chosen before they have values. Write lambda path, leaf: leaf.ndim > 1, or leaf.dtype.itemsize."
        ) from None


class OfUpdate:
    """The leaf of a parameter of which only the update was given: its dtype is not known, so to ask for it is an error."""

    def __init__(self, leaf: Any, part: str) -> None:
        self.shape, self.ndim, self.size, self.part = leaf.shape, leaf.ndim, leaf.size, part

    @property
    def dtype(self) -> Any:
        raise ValueError(f"{self.part} chooses leaves by their dtype, so it needs the parameters: call update(gradients, state, params).")
