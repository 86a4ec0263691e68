"""Choosing leaves by path or by a predicate."""

import dataclasses
import fnmatch
import inspect
from collections.abc import Callable
from typing import Annotated, Any, TypeAlias, final

import jax

from gradtx._core.kinds import Kind, shown
from gradtx._core.trees import Leaves
from gradtx._core.types import PyTree


@final
@dataclasses.dataclass(frozen=True)
class Selection:
    """What `where` chooses, as the body of a factory sees it: `where(tree)` is a tree of bools."""

    where: str | Callable[[str, Any], bool] | None
    part: str
    leaves: Leaves | None

    def __call__(self, tree: PyTree) -> PyTree:
        """Which leaves of `tree` are meant. A pattern that matches none is an error."""
        if self.where is None:
            return jax.tree.map(lambda _: True, tree)
        entries, structure = jax.tree_util.tree_flatten_with_path(tree)
        seen = [self.leaves.at(path, leaf) if self.leaves else (jax.tree_util.keystr(path), leaf) for path, leaf in entries]
        chosen = [self._means(name, leaf) for name, leaf in seen]
        if isinstance(self.where, str) and seen and not any(chosen) and not self._means_untrained(self.where):
            names = list(dict.fromkeys(name for name, _ in seen))
            listed = f"{', '.join(names[:8])}{', ...' if len(names) > 8 else ''}"
            raise ValueError(f"{self.part}: where={self.where!r} matches no leaf; the paths are {listed}.")
        return structure.unflatten(chosen)

    def _means_untrained(self, pattern: str) -> bool:
        """Whether the pattern is of leaves that nobody trains, integers among them: then it is no misspelling."""
        return self.leaves is not None and any(fnmatch.fnmatchcase(name, pattern) for name in self.leaves.untrained)

    def _means(self, name: str, leaf: Any) -> bool:
        if isinstance(self.where, str):
            return fnmatch.fnmatchcase(name, self.where)
        known = self.leaves is None or self.leaves.called == "parameters"
        try:
            return bool(self.where and self.where(name, leaf if known else _OfUpdate(leaf, self.part)))
        except AttributeError as error:
            if not isinstance(error.obj, jax.ShapeDtypeStruct | _OfUpdate):
                raise
            raise TypeError(
                f"{self.part}: where asked the leaf {name} for {error.name!r}. It may ask for shape, dtype, ndim and size: leaves are "
                "chosen before they have values. Write lambda path, leaf: leaf.ndim > 1, or leaf.dtype.itemsize."
            ) from None


@final
class _OfUpdate:
    """The leaf of a parameter of which only the update was given: its dtype is not known, so to ask for it is an error."""

    def __init__(self, leaf: Any, part: str) -> None:
        self.shape, self.ndim, self.size, self.part = leaf.shape, leaf.ndim, leaf.size, part

    @property
    def dtype(self) -> Any:
        raise ValueError(f"{self.part} chooses leaves by their dtype, so it needs the parameters: call update(gradients, state, params).")


def _takes_two(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind("path", "leaf")
    except TypeError:
        return False
    return True


@final
class WhereKind(Kind):
    """A choice of leaves: part of the structure."""

    dynamic = False

    def accept(self, value: Any, where: str) -> Any:
        value = value.where if isinstance(value, Selection) else value
        if inspect.isfunction(value) and not _takes_two(value):
            raise TypeError(
                f"{where} must take two arguments, the path and the leaf, got {shown(value)}. Write lambda path, leaf: leaf.ndim > 1."
            )
        if value is None or isinstance(value, str) or (callable(value) and not hasattr(value, "init") and not isinstance(value, type)):
            return value
        swapped = " A transformation stands in its place: are two arguments swapped?" if hasattr(value, "init") else ""
        raise TypeError(
            f"{where} must be a pattern over paths, a function of path and leaf, or None for all leaves, got {shown(value)}.{swapped} "
            "Write '*/kernel', or lambda path, leaf: leaf.ndim > 1."
        )

    def resolve(self, value: Any, where: str, context: Any) -> Any:
        return Selection(value, where.rpartition(": ")[0], context.signals.leaves)


Where: TypeAlias = Annotated[str | Callable[[str, Any], bool] | None, WhereKind()]
"""Which leaves: a pattern over paths (`"*/kernel"`), a function of path and leaf, or None for all.

The leaf is the user's own, by shape and dtype (`jax.ShapeDtypeStruct`): complex where it is complex, bfloat16 where it is that.
In the body of a factory, `where(tree)` is the tree of bools.
"""
