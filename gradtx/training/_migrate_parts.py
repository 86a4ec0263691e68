"""The parts of an optimizer in the order in which updates pass through them, and what a slot is to its part."""

import functools
import re
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import jax
import jax.numpy as jnp

from gradtx import GradientTransformation
from gradtx._core.contract import init
from gradtx._core.describe import _opened
from gradtx._core.order import moved_by
from gradtx._core.signals import Visit, Visits
from gradtx._core.trees import is_trainable
from gradtx._core.types import PyTree
from gradtx.training._migrate_wrappers import BASES, TRANSPARENT, UNSCALED

Kind: TypeAlias = Literal["momentum", "divisor", ""]
"""What a slot is to the size of a step: an average that is stepped along, something that it is divided by or turned with, or neither."""


class Parts:
    """The parts of an optimizer as it visits them at init, and what the path of a slot says in them."""

    def __init__(self, tx: GradientTransformation, params: PyTree) -> None:
        self.tx, self.visits = tx, Visits()
        init(
            tx,
            jax.tree.map(lambda p: jax.ShapeDtypeStruct(jnp.shape(p), jnp.result_type(p)) if is_trainable(p) else p, params),
            self.visits,
        )
        self.labels = {visit.place[-1]: visit.part for visit in self.visits}
        self.scopes = {id(visit.part): bool(_opened(visit.part)) for visit in self.visits}
        self.meaning, self.kind = functools.cache(self._meaning), functools.cache(self._kind)
        self.mover = functools.cache(self._mover)

    def _meaning(self, slot: tuple[str, ...], leaf: tuple[str, ...]) -> tuple[Any, ...]:
        """The slot without what stands around its part: optimizers, groups, codecs, wrappers that change nothing for it.

        What its part is given is told too: a momentum of gradients is none of steps.
        """
        around = [k for k in range(len(slot) - 1) if (part := self.part(slot, k)) is not None and part.form.name in TRANSPARENT]
        inner = {k + 1 for k in around if slot[k + 1] == "inner"}
        kept = tuple(self._token(slot, k) for k in range(len(slot)) if not self._passes(slot, k) and k not in inner)
        meant = any(name in self.labels and not self._passes(slot, k) for k, name in enumerate(slot))
        if meant or slot == ("step",):
            return *kept, *(("of", name) for name in self._given(slot, leaf))
        return tuple(self._token(slot, k) for k in range(max(around, default=0), len(slot)))

    def part(self, slot: tuple[str, ...], k: int) -> Any:
        """The part that a name on the way to a slot is of. Wrappers keep more than one thing: the last name is none of theirs."""
        part = self.labels.get(slot[k], self.labels.get(base(slot[k])))
        own = k == len(slot) - 1 and part is not None and (part.form.name in TRANSPARENT or part.form.renames)
        return None if own else part

    def _passes(self, slot: tuple[str, ...], k: int) -> bool:
        part = self.part(slot, k)
        return base(slot[k]) == "chain" if part is None else base(slot[k]) == "stored" or self._hands_on(part)

    def _token(self, slot: tuple[str, ...], k: int) -> Any:
        """A part by its factory and what it is told in words, so that another statistic under the same name is another."""
        part, name = self.part(slot, k), slot[k]
        if part is None:
            return name
        words = {key: value for key, value in part.arguments.items() if isinstance(value, str | bool) and key not in ("where", "name")}
        return part.form.spec_name, *sorted(words.items())

    def _hands_on(self, part: Any) -> bool:
        """Whether it does nothing itself: a chain, an optimizer made of parts, a name, a wrapper that changes nothing inside."""
        scope = self.scopes.get(id(part), False) or part.form.composes or part.form.renames
        return scope or part.form.name in TRANSPARENT

    def deepest(self, slot: tuple[str, ...], chosen: Callable[[Visit], bool], leaf: tuple[str, ...] | None = None) -> list[Visit]:
        """The visits of the deepest parts on the way to a slot that are chosen, those that see the leaf if there are any.

        Groups of equal parts have one place, and are numbered in the state: a number counts where it is in both.
        """
        names = [base(name) for name in slot]
        here = [v for v in self.visits if chosen(v) and _within([*map(base, v.place)], names)]
        here = [v for v in here if len(v.place) == max(len(other.place) for other in here)]
        here = [v for v in here if _within(v.place, slot)] or here
        return [v for v in here if leaf in v.seen] or here

    def _mover(self, slot: tuple[str, ...], leaf: tuple[str, ...]) -> Visit | None:
        """The visit of the part that moves updates with what is kept in a slot, the statistics in it apart."""
        return next(iter(self.deepest(slot, lambda visit: not visit.part._statistic, leaf)), None)

    def nonnegative(self, slot: tuple[str, ...], leaf: tuple[str, ...] | None = None) -> bool:
        """Whether a slot keeps something of squares."""
        return any(visit.nonnegative for visit in self.deepest(slot, lambda visit: True, leaf)[:1])

    def _kind(self, slot: tuple[str, ...], leaf: tuple[str, ...]) -> Kind:
        mover, basis = self.mover(slot, leaf), basis_of(slot)
        if mover is None or mover.part.form.name in UNSCALED or self._hands_on(mover.part):
            return ""
        if any(moved_by(mover.part)) and not basis:
            return ""
        statistic = any(visit.part._statistic for visit in self.deepest(slot, lambda visit: True, leaf))
        in_axes = bool(basis) and slot[len(basis) : len(basis) + 1] == ("basis",)
        return "momentum" if statistic and not in_axes and not self.nonnegative(slot, leaf) else "divisor"

    def _given(self, slot: tuple[str, ...], leaf: tuple[str, ...]) -> tuple[str, ...]:
        """The parts that what a slot keeps has been through, those apart that leave a gradient about as large as it is.

        Second moments are of the gradient, which stays what it is behind the first average, unless they say that they are of updates.
        """
        mover = self.mover(slot, leaf)
        if mover is None or not self._kind(slot, leaf):
            return ()
        end = next(k for k, visit in enumerate(self.visits) if visit is mover)
        before = [visit for visit in self.visits[:end] if leaf in visit.seen and self._in_line(visit, mover)]
        if self.nonnegative(slot, leaf) and mover.part.arguments.get("of") != "updates":
            averaging = (k for k, visit in enumerate(before) if visit.part.form.averages)
            before = before[: next(averaging, len(before))]
        changing = [visit for visit in before if self._changes(visit.part)]
        tops = [v for v in changing if not any(o is not v and v.place[: len(o.place)] == o.place for o in changing)]
        return tuple(visit.part.form.spec_name for visit in tops if visit.part.form.name not in UNSCALED)

    def _changes(self, part: Any) -> bool:
        return not part._statistic and not self._hands_on(part) and not any(moved_by(part))

    def _in_line(self, earlier: Visit, mover: Visit) -> bool:
        """Whether a part stands before another, and not around it or beside it in another branch."""
        shared = next((k for k, (a, b) in enumerate(zip(earlier.place, mover.place, strict=False)) if a != b), len(earlier.place))
        if shared == len(earlier.place):
            return False
        around = next((visit.part for visit in self.visits if visit.place == mover.place[:shared]), None)
        return around is None or self._hands_on(around) or len([*moved_by(around)]) < 2


def basis_of(slot: Sequence[str]) -> tuple[str, ...]:
    """The path of the innermost part on the way to a slot that keeps something in a basis; empty if there is none."""
    k = max((k for k, name in enumerate(slot) if base(name) in BASES), default=-1)
    return tuple(slot[: k + 1])


def base(name: str) -> str:
    """A name without the number that tells it from an equal one."""
    return re.sub(r"_\d+$", "", name)


def _within(path: Sequence[str], names: Sequence[str]) -> bool:
    """Whether a path goes through these names in this order, others between."""
    rest = iter(names)
    return all(name in rest for name in path)
