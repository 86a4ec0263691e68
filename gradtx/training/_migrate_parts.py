"""The parts of an optimizer in the order in which updates pass through them, and what a slot is to its part."""

import collections
import functools
import re
from collections.abc import Callable, Collection
from typing import Any, Literal, TypeAlias

import jax

from gradtx import GradientTransformation
from gradtx._core.call import Call
from gradtx._core.contract import init
from gradtx._core.describe import abstract, returned
from gradtx._core.order import moved_by
from gradtx._core.run import holds_chain
from gradtx._core.signals import Visit, Visits
from gradtx._core.types import PyTree
from gradtx.training._migrate_wrappers import BASES, TRANSPARENT, UNSCALED, goes_by_step

Kind: TypeAlias = Literal["momentum", "divisor", ""]
"""What a slot is to the size of a step: an average that is stepped along, something that it is divided by or turned with, or neither."""
Path: TypeAlias = tuple[str, ...]


class Parts:
    """The parts of an optimizer as it visits them at init, and what the path of a slot says in them."""

    def __init__(self, tx: GradientTransformation, params: PyTree) -> None:
        self.tx, self.visits = tx, Visits()
        init(tx, jax.tree.map(abstract, params), self.visits)
        self.at = collections.defaultdict[Path, list[Visit]](list)
        for visit in self.visits:
            self.at[visit.place].append(visit)
        self.order = {id(visit): k for k, visit in enumerate(self.visits)}
        bodies = {id(visit.part): returned(visit.part) for visit in self.visits}
        self.made = {part: body for part, body in bodies.items() if isinstance(body, Call) and body.form.spec_name != "stateless"}
        """What the parts that are made of others are made of, by their ids."""
        self.places, self.meaning = functools.cache(self._places), functools.cache(self._meaning)
        self.mover, self.kind = functools.cache(self._mover), functools.cache(self._kind)

    def _places(self, slot: Path) -> tuple[Path | None, ...]:
        """For each name on the way to a slot the place of the part that it is of; None for groups, and for what a part calls its own.

        Groups of equal parts have one place, and are numbered in the state.
        """
        here: Path = ()
        found: list[Path | None] = []
        for name in slot:
            exact, numberless = (*here, name), (*here, base(name))
            place = exact if exact in self.at else numberless if numberless in self.at else None
            here = place or here
            found.append(place)
        return tuple(found)

    def visit(self, slot: Path, k: int, leaf: Path) -> Visit | None:
        """The visit, on the way to a leaf, of the part that a name of its slot is of."""
        place = self.places(slot)[k]
        if place is None:
            return None
        return self._seeing(place, leaf)

    def _seeing(self, place: Path, leaf: Path) -> Visit:
        """The visit of the part at a place that sees a leaf; the first, for what no leaf has."""
        return next((visit for visit in self.at[place] if leaf in visit.seen), self.at[place][0])

    def part(self, slot: Path, k: int, leaf: Path = ()) -> Any:
        """That part."""
        visit = self.visit(slot, k, leaf)
        return None if visit is None else visit.part

    def last(self, slot: Path, factories: Collection[str], leaf: Path = ()) -> Path:
        """The slot as far as to the innermost part that one of these factories made; empty if there is none."""
        parts = [self.part(slot, k, leaf) for k in range(len(slot))]
        return slot[: 1 + max((k for k, part in enumerate(parts) if part is not None and part.form.spec_name in factories), default=-1)]

    def deepest(self, slot: Path, chosen: Callable[[Visit], bool]) -> list[Visit]:
        """The visits, for all leaves, of the deepest part on the way to a slot that is chosen."""
        places = [place for place in self.places(slot) if place is not None and any(map(chosen, self.at[place]))]
        return [visit for visit in self.at[places[-1]] if chosen(visit)] if places else []

    def _meaning(self, slot: Path, leaf: Path) -> tuple[Any, ...]:
        """The slot without what stands around its part: optimizers, groups, codecs, wrappers that change nothing for it.

        What its part is given is told too: a momentum of gradients is none of steps.
        """
        parts = [self.part(slot, k, leaf) for k in range(len(slot))]
        around = [k for k, part in enumerate(parts[:-1]) if part is not None and part.form.spec_name in TRANSPARENT]
        inner = {k + 1 for k in around if slot[k + 1] == "inner"}
        names = list(zip(slot, parts, strict=True))
        if slot == ("step",) or any(part is not None and not self._passes(name, part) for name, part in names):
            kept = tuple(_token(name, part) for k, (name, part) in enumerate(names) if not self._passes(name, part) and k not in inner)
            return *kept, *(("of", name) for name in self._given(slot, leaf))
        return tuple(_token(name, part) for name, part in names[max(around, default=0) :])

    def _passes(self, name: str, part: Any) -> bool:
        return base(name) == "chain" if part is None else part.form.spec_name == "stored" or self._hands_on(part)

    def _hands_on(self, part: Any) -> bool:
        """Whether it does nothing itself: a chain, an optimizer made of parts, a name, a wrapper that changes nothing inside."""
        return id(part) in self.made or part.form.composes or part.form.renames or part.form.spec_name in TRANSPARENT

    def _mover(self, slot: Path, leaf: Path) -> Visit | None:
        """The visit of the part that moves updates with what is kept in a slot, the statistics in it apart."""
        visits = [self.visit(slot, k, leaf) for k in range(len(slot))]
        return next((visit for visit in reversed(visits) if visit is not None and not visit.part._statistic), None)

    def of_mover(self, slot: Path, leaf: Path = ()) -> Path:
        """The slot as far as to that part."""
        mover = self.mover(slot, leaf)
        return () if mover is None else slot[: 1 + self.places(slot).index(mover.place)]

    def innermost(self, slot: Path, leaf: Path) -> Visit | None:
        """The visit of the last part on the way to a slot."""
        visits = (self.visit(slot, k, leaf) for k in reversed(range(len(slot))))
        return next((visit for visit in visits if visit is not None), None)

    def goes_by_step(self, leaf: Path) -> bool:
        """Whether a part that sees a leaf tells from the step how young its statistics are."""
        return any(leaf in visit.seen and goes_by_step(visit.part) for visit in self.visits)

    def nonnegative(self, slot: Path, leaf: Path = ()) -> bool:
        """Whether a slot keeps something of squares."""
        visit = self.innermost(slot, leaf)
        return visit is not None and visit.nonnegative

    def _kind(self, slot: Path, leaf: Path) -> Kind:
        mover, basis = self.mover(slot, leaf), self.last(slot, BASES, leaf)
        if (
            mover is None
            or mover.part.form.spec_name in UNSCALED
            or self._hands_on(mover.part)
            or (any(moved_by(mover.part)) and not basis)
        ):
            return ""
        innermost = self.innermost(slot, leaf)
        averages = innermost is not None and (innermost.part._statistic or bool(mover.part.form.averages))
        in_axes = bool(basis) and slot[len(basis) : len(basis) + 1] == ("basis",)
        return "momentum" if averages and not in_axes and not self.nonnegative(slot, leaf) else "divisor"

    def _given(self, slot: Path, leaf: Path) -> tuple[str, ...]:
        """The parts that what a slot keeps has been through, those apart that leave a gradient about as large as it is.

        Second moments are of the gradient, which stays what it is behind the first average of its scope, unless they say that they are
        of updates.
        """
        mover = self.mover(slot, leaf)
        if mover is None or not self.kind(slot, leaf):
            return ()
        end = self.order[id(mover)]
        before = [visit for visit in self.visits[:end] if leaf in visit.seen and self._in_line(visit, mover, leaf)]
        if self.nonnegative(slot, leaf) and mover.part.arguments.get("of") != "updates":
            around = (place for k in range(len(mover.place)) if (place := mover.place[:k]) in self.at)
            scope = max((place for place in around if self._is_scope(place, leaf)), key=len, default=())
            averaging = (k for k, visit in enumerate(before) if visit.part.form.averages and visit.place[: len(scope)] == scope)
            before = before[: next(averaging, len(before))]
        parts = [visit for visit in before if not visit.part._statistic and self._does_something(visit.part)]
        tops = [v for v in parts if not any(o is not v and v.place[: len(o.place)] == o.place for o in parts)]
        return tuple(visit.part.form.spec_name for visit in tops if visit.part.form.spec_name not in UNSCALED)

    def _does_something(self, part: Any) -> bool:
        return part.form.spec_name in UNSCALED or not (self._hands_on(part) or any(moved_by(part)))

    def _is_scope(self, place: Path, leaf: Path) -> bool:
        """Whether the gradient begins anew in a part: a factory that makes a chain, or a wrapper around one."""
        part = self._seeing(place, leaf).part
        return not part.form.renames and id(part) in self.made and holds_chain(self.made[id(part)])

    def _in_line(self, earlier: Visit, mover: Visit, leaf: Path) -> bool:
        """Whether a part stands before another, and not around it or beside it in another branch."""
        shared = next((k for k, (a, b) in enumerate(zip(earlier.place, mover.place, strict=False)) if a != b), len(earlier.place))
        if shared == len(earlier.place):
            return False
        around = next((visit.part for visit in self.at.get(mover.place[:shared], ()) if leaf in visit.seen), None)
        return around is None or self._hands_on(around) or len([*moved_by(around)]) < 2


def base(name: str) -> str:
    """A name without the number that tells it from an equal one."""
    return re.sub(r"_\d+$", "", name)


def _token(name: str, part: Any) -> Any:
    """A part by its factory and what it is told in words, so that another statistic under the same name is another."""
    if part is None:
        return name
    words = {key: value for key, value in part.arguments.items() if isinstance(value, str | bool) and key not in ("where", "name")}
    return part.form.spec_name, *sorted(words.items())
