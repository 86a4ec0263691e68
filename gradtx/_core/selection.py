"""Choosing leaves by path or by a predicate."""

import dataclasses
import re
from collections.abc import Callable
from typing import Annotated, Any, TypeAlias, final

import jax

from gradtx._core.kinds import Kind
from gradtx._core.patterns import OfUpdate, Pattern, accepted_pattern, fits
from gradtx._core.roles import Roles
from gradtx._core.trees import Leaves
from gradtx._core.types import PyTree
from gradtx._core.view import View, as_it_is


def _listed(names: list[str]) -> str:
    return f"{', '.join(names[:8])}{', ...' if len(names) > 8 else ''}"


@final
@dataclasses.dataclass(frozen=True)
class AsSeen:
    """A choice by what a leaf is where the rule runs, within `layerwise` layer by layer, and not by what the user has."""

    chooses: Callable[[Any], bool]

    def __call__(self, path: str, leaf: Any) -> bool:
        return self.chooses(leaf)


NO_VECTOR = AsSeen(lambda leaf: leaf.ndim > 1)
TWO_AXES = AsSeen(lambda leaf: leaf.ndim == 2)


@final
@dataclasses.dataclass(frozen=True)
class Selection:
    """What `where` chooses, as the body of a factory sees it: `where(tree)` is a tree of bools."""

    where: Pattern | Roles | None
    part: str
    leaves: Leaves | None

    def __call__(self, tree: PyTree) -> PyTree:
        """Which leaves of `tree` are meant. A pattern that matches none is an error."""
        if self.where is None:
            return jax.tree.map(lambda _: True, tree)
        entries, structure = jax.tree_util.tree_flatten_with_path(tree)
        seen = [self._seen(path, leaf) for path, leaf in entries]
        chosen = [self._means(name, leaf) for name, leaf in seen]
        if isinstance(self.where, str | re.Pattern) and seen and not any(chosen) and not self._means_untrained(self.where):
            listed = _listed(list(dict.fromkeys(name for name, _ in seen)))
            raise ValueError(f"{self.part}: where={self.where!r} matches no leaf; the paths are {listed}.")
        if isinstance(self.where, Roles) and seen and not any(chosen):
            self._check_role(self.where)
        return structure.unflatten(chosen)

    def _check_role(self, table: Roles) -> None:
        """Make sure that some leaf of the user's tree, if not of a group of it, has a role that is meant."""
        leaves = list(self.leaves.entries.values()) if self.leaves else []
        meant = [pattern for pattern, found in table.rules if table.only is None or found.arguments["name"] in table.only]
        if not leaves or any(table.chooses(*leaf) for leaf in leaves) or any(map(self._means_untrained, meant)):
            return
        roles = ((name, table.of(name, leaf)) for name, leaf in leaves)
        listed = _listed([f"{name} ({found.arguments['name'] if found else 'none'})" for name, found in roles])
        raise ValueError(f"{self.part}: where={table} means no leaf; the roles are {listed}. Mend the pattern of a rule.")

    def views(self, tree: PyTree) -> PyTree:
        """How each leaf of `tree` is seen layer by layer: in the axes of its role, or as it is where leaves are not chosen by role."""
        if not isinstance(self.where, Roles):
            self(tree)
        return jax.tree_util.tree_map_with_path(self._view, tree)

    def _view(self, path: tuple[Any, ...], inner: Any) -> View:
        name, leaf = self._seen(path, inner)
        if not isinstance(self.where, Roles) or leaf.shape != inner.shape:
            return as_it_is(inner.shape)
        role = self.where.of(name, leaf)
        if role is None:
            raise ValueError(f"{self.part}: no rule of the roles fits {name} of shape {leaf.shape}. Add one: ({name!r}, 'matrix').")
        return role.view(leaf.shape, name)

    def _seen(self, path: tuple[Any, ...], inner: Any) -> tuple[str, Any]:
        """The user's leaf at `path` by name, as far as it is known and asked for."""
        name, leaf = self.leaves.at(path, inner) if self.leaves else (jax.tree_util.keystr(path), inner)
        if isinstance(self.where, AsSeen):
            return name, inner
        return name, leaf if self.leaves is None or self.leaves.called == "parameters" else OfUpdate(leaf, self.part)

    def _means_untrained(self, pattern: Pattern) -> bool:
        """Whether the pattern is of leaves that nobody trains, integers among them: then it is no misspelling."""
        names = self.leaves.untrained if self.leaves and not callable(pattern) else ()
        return any(fits(pattern, name, None, self.part) for name in names)

    def _means(self, name: str, leaf: Any) -> bool:
        if isinstance(self.where, Roles):
            return self.where.chooses(name, leaf)
        return self.where is not None and fits(self.where, name, leaf, self.part)


@final
class WhereKind(Kind):
    """A choice of leaves: part of the structure."""

    dynamic = False

    def accept(self, value: Any, where: str) -> Any:
        value = value.where if isinstance(value, Selection) else value
        return value if value is None or isinstance(value, Roles) else accepted_pattern(value, where, ", roles, or None for all leaves")

    def resolve(self, value: Any, where: str, context: Any) -> Any:
        return Selection(value, where.rpartition(": ")[0], context.signals.leaves)


Where: TypeAlias = Annotated[Pattern | Roles | None, WhereKind()]
"""Which leaves: a pattern over paths (`"*/kernel"`), a regular expression, a function of path and leaf, `roles`, or None for all.

The leaf is the user's own, by shape and dtype (`jax.ShapeDtypeStruct`): complex where it is complex, bfloat16 where it is that.
In the body of a factory, `where(tree)` is the tree of bools.
"""
