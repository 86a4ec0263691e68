"""Which leaves of a state become which of another, and the statistics that have to agree with each other."""

import collections
import dataclasses
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import jax.numpy as jnp

from gradtx.training._migrate_averages import averaged, counted_where_averages_come_from
from gradtx.training._migrate_parts import Path, base
from gradtx.training._migrate_report import (
    BEGUN_BEHIND_STEP,
    BEGUN_WITH_ANOTHER,
    BEGUN_WITH_BASIS,
    BEGUN_WITH_DIVISOR,
    BEGUN_WITH_LEAF,
    BEGUN_WITH_SHARED,
    CREATED_AT_MEAN,
    CREATED_AT_PARAMETER,
    Move,
)
from gradtx.training._migrate_slots import SlotLeaf, Slots
from gradtx.training._migrate_wrappers import LAGGED, WEIGHED


@dataclasses.dataclass
class Plan:
    """Which old leaf becomes which new one. What is not carried begins as in a new state, with a note where that needs one.

    `values` is called once: it takes from `sources` what cannot be carried, in an order in which each rule sees what those before it left.
    """

    old: Slots
    new: Slots
    sources: dict[str, str]
    notes: dict[str, str]
    tied: Collection[str]
    params: Mapping[tuple[str, ...], Any]
    rescaled: set[str] = dataclasses.field(default_factory=set[str])
    """Leaves whose numbers are others than those of their source."""
    unlike: set[str] = dataclasses.field(default_factory=set[str])
    """Leaves whose source is another kind of array, or has seen nothing."""

    def values(self) -> tuple[dict[str, Any], list[Move]]:
        """The new leaves before they are coded, and what is said about each."""
        self._fit()
        self._turn()
        self._share()
        weights = self._weigh(of_squares=True)
        self._begin_momenta()
        weights |= self._weigh(of_squares=False)
        self.sources = counted_where_averages_come_from(self.old, self.new, self.sources, self.tied)
        values: dict[str, Any] = {}
        for path, leaf in self.new.leaves.items():
            values[path] = leaf.value if path not in self.sources else self._carried(path, leaf, weights)
        filled = self._filled(values)
        averages, begun = averaged(self.old, self.new, self.sources, values, self.params)
        values |= filled | averages
        self.rescaled |= averages.keys() & self.sources.keys()
        for path in filled:
            self.notes[path] = "; ".join(filter(None, (self.notes.get(path), CREATED_AT_MEAN)))
        self.notes = dict.fromkeys(self._young(), BEGUN_BEHIND_STEP) | self.notes | dict.fromkeys(begun, CREATED_AT_PARAMETER)
        self.notes |= dict.fromkeys(self.rescaled, "rescaled to the weight of its new neighbours")
        return values, [Move(path, self.sources.get(path), self.notes.get(path, self._ambiguous(path))) for path in self.new.leaves]

    def dropped(self) -> list[Move]:
        used = set(self.sources.values())
        return [Move(None, path, "") for path in self.old.leaves if path not in used]

    def _drop(self, paths: Iterable[str], note: str = "") -> None:
        """Carry these not, but for those that somebody has tied."""
        for path in set(paths) & self.sources.keys() - set(self.tied):
            del self.sources[path]
            self.notes |= {path: note} if note else {}

    def _fit(self) -> None:
        """Arrays of another shape or kind are not carried."""
        for path, source in [*self.sources.items()]:
            note = self._unfit(path, source)
            if note and path in self.tied:
                raise ValueError(f"restore: migrate= ties {path} to {source}, which does not fit: {note}.")
            if note:
                self._drop([path], note)
                self.unlike.add(path)

    def _unfit(self, path: str, source: str) -> str:
        want, have = self.new.leaves[path].value, self.old.leaves[source].value
        if jnp.shape(want) != jnp.shape(have):
            return f"shape {jnp.shape(have)} before, {jnp.shape(want)} now"
        both_float = jnp.issubdtype(want.dtype, jnp.floating) and jnp.issubdtype(have.dtype, jnp.floating)
        return "" if want.dtype == have.dtype or both_float else f"dtype {have.dtype} before, {want.dtype} now"

    def _ambiguous(self, path: str) -> str:
        if path in self.sources or any(path in one for one in self.new.ones.values()):
            return ""
        meant = [other for other, leaf in self.old.leaves.items() if leaf.meaning == self.new.leaves[path].meaning]
        return f"several could be meant ({', '.join(meant[:3])}): tie one by migrate={{...}}" if len(meant) > 1 else ""

    def _turn(self) -> None:
        """What is kept in a basis is carried with the whole of it or not at all: in other axes the numbers mean nothing."""
        for within in dict.fromkeys(leaf.within for leaf in self.new.leaves.values()):
            if within is None:
                continue
            members = [path for path, leaf in self.new.leaves.items() if leaf.within == within]
            origins = {self.old.leaves[self.sources[path]].within for path in members if path in self.sources}
            if any(origin is None or not self._same_axes(within, origin) for origin in origins) or len(origins) > 1:
                self._drop(members, BEGUN_WITH_BASIS)

    def _same_axes(self, within: tuple[str, Path], origin: tuple[str, Path]) -> bool:
        now, before = self.new.axes(within), self.old.axes(origin)
        if now or before:
            return {self.sources.get(path) for path in now} == before
        return self.new.part_at(within[0]).arguments["basis"] == self.old.part_at(origin[0]).arguments["basis"]

    def _share(self) -> None:
        """What a part shares between its leaves comes from where its leaves come from; where that is several places, they must agree."""
        numbers, members = (collections.defaultdict[str, list[str]](list) for _ in range(2))
        for path, leaf in self.new.leaves.items():
            if (place := self.new.own_place(path)) and not (leaf.parameter is None and (leaf.correction or path in self.new.taken)):
                (numbers if leaf.parameter is None else members)[place].append(path)
        for place, shared in numbers.items():
            own = members[place]
            if not own or any(self.new.weight_of_average(self.new.leaves[path]) for path in own):
                continue
            carried = [path for path in own if path in self.sources]
            origins = dict.fromkeys(origin for path in carried if (origin := self._origin(place, path)))
            self._drop(shared)
            found = [{path: f"{origin}/{path.removeprefix(f'{place}/')}" for path in shared} for origin in origins]
            agree = all(self._agree([at[path] for at in found]) for path in shared)
            lagging = len(carried) < len(own) and self.new.part_at(place).form.spec_name in LAGGED
            if not agree or lagging:
                self._drop(own, BEGUN_WITH_LEAF if lagging else BEGUN_WITH_SHARED)
            elif found:
                self.sources = found[0] | self.sources

    def _origin(self, place: str, path: str) -> str:
        """The old place of what is now at a place, by where one of its leaves comes from: codecs stand anywhere between."""
        slot = self.old.leaves[self.sources[path]].slot.split("/")
        for name in reversed(self.new.leaves[path].slot.removeprefix(f"{place}/").split("/")):
            while base(name) != "stored" and slot and base(slot[-1]) == "stored":
                slot.pop()
            if base(name) != "stored" and (not slot or slot.pop() != name):
                return ""
        return "/".join(slot)

    def _agree(self, paths: list[str]) -> bool:
        """Whether these old leaves are there and hold the same."""
        found = [self.old.leaves.get(path) for path in paths]
        return all(leaf is not None and found[0] is not None and _equal(leaf, found[0]) for leaf in found)

    def _weigh(self, of_squares: bool) -> dict[str, str]:
        """For each bias correction the old weight that its leaves go by, the largest of several; leaves without one are not carried."""
        weights: dict[str, str] = {}
        for correction, one in self.new.ones.items():
            if self.new.of_squares(correction) is not of_squares or set(one) <= set(self.tied):
                continue
            leaves = self._corrected(correction)
            if not leaves:
                continue
            begun = {path: self._has_begun(path) for path in leaves if path in self.sources}
            empty = [path for path, has_begun in begun.items() if not has_begun and any(begun.values())]
            self.unlike |= {*empty}
            self._drop(empty)
            if of_squares and any(path not in self.sources and self._was_divided(path) for path in leaves):
                self._drop(leaves, BEGUN_WITH_ANOTHER)
            self._drop(one)
            members = [path for path in leaves if path in self.sources]
            olds = [self.old.ones.get(origin, ()) for origin in dict.fromkeys(self.old.leaves[self.sources[p]].correction for p in members)]
            if len(one) == 1 and olds and all(len(old) == 1 for old in olds):
                weight = max((old[0] for old in olds), key=lambda path: float(jnp.max(self.old.leaves[path].value)))
                self.sources[one[0]] = weights[correction] = weight
            elif olds and all(len(old) == len(one) for old in olds) and all(map(self._agree, map(list, zip(*olds, strict=True)))):
                self.sources |= dict(zip(one, olds[0], strict=True))
            else:
                self._refuse_ties(members, one)
                self._drop(members, "the weight of its bias correction is not known")
        return weights

    def _corrected(self, correction: str) -> list[str]:
        """The leaves that a bias correction corrects."""
        one = self.new.ones[correction]
        return [path for path, leaf in self.new.leaves.items() if leaf.correction == correction and path not in one]

    def _has_begun(self, path: str) -> bool:
        """Whether the source of a leaf has taken in anything, as far as its bias correction says."""
        ones = self.old.ones.get(self.old.leaves[self.sources[path]].correction, ())
        return not ones or any(bool(jnp.any(self.old.leaves[one].value > 0)) for one in ones)

    def _was_divided(self, path: str) -> bool:
        """Whether the parameter of a leaf was divided by anything, which is not this or it would be carried."""
        own = self.new.leaves[path].parameter
        return path not in self.unlike and any(leaf.kind == "divisor" and leaf.parameter == own for leaf in self.old.leaves.values())

    def _refuse_ties(self, members: list[str], one: tuple[str, ...]) -> None:
        tied = [path for path in members if path in self.tied]
        if tied:
            raise ValueError(
                f"restore: migrate= ties {tied[0]} to {self.sources[tied[0]]}, which has no such bias correction: how far the bias of the "
                f"average has gone is not known. Tie {' and '.join(one)} too, to what counts it."
            )

    def _begin_momenta(self) -> None:
        """A momentum begins anew where what it is divided by, or the basis that it is turned into, does; all where they share that."""
        divisors = {path: leaf.parameter for path, leaf in self.new.leaves.items() if leaf.kind == "divisor"}
        of_leaves = {self.new.own_place(path) for path, parameter in divisors.items() if parameter is not None}
        lost = {path: parameter for path, parameter in divisors.items() if path not in self.sources}
        begun = {own for path, own in lost.items() if own is not None or self.new.own_place(path) not in of_leaves}
        momenta = {path: leaf.parameter for path, leaf in self.new.leaves.items() if leaf.kind == "momentum"}
        self._drop((path for path, parameter in momenta.items() if parameter in begun or None in begun), BEGUN_WITH_DIVISOR)

    def _young(self) -> list[str]:
        """What begins anew in a part that goes by the step."""
        young = {path: own for path, leaf in self.new.leaves.items() if path not in self.sources and (own := leaf.parameter) is not None}
        return [path for path, own in young.items() if bool(jnp.any(self.old.step > 0)) and self.new.parts.goes_by_step(own)]

    def _carried(self, path: str, leaf: SlotLeaf, weights: dict[str, str]) -> Any:
        source = self.old.leaves[self.sources[path]]
        value = jnp.asarray(source.value)
        weight = weights.get(leaf.correction)
        own = self.old.ones.get(source.correction, ())
        if weight is not None and own and path not in self.new.ones[leaf.correction] and own[0] != weight:
            before, now = self.old.leaves[own[0]], self.old.leaves[weight]
            if not _equal(before, now):
                value = value * (now.value / before.value)
                self.rescaled.add(path)
        return value.astype(leaf.value.dtype)

    def _filled(self, values: dict[str, Any]) -> dict[str, Any]:
        """Second moments of leaves that were not trained before, beside those whose correction is past."""
        slots = collections.defaultdict[str, list[str]](list)
        for correction, one in self.new.ones.items():
            for path in self._corrected(correction) if self.new.of_squares(correction) and not self.sources.keys().isdisjoint(one) else ():
                slots[self.new.leaves[path].slot].append(path)
        for path, leaf in self.new.leaves.items():
            if (
                leaf.kind == "divisor"
                and leaf.parameter is not None
                and self.new.part_at(self.new.own_place(path)).form.spec_name in WEIGHED
            ):
                slots[leaf.slot].append(path)
        filled: dict[str, Any] = {}
        for paths in slots.values():
            kept = [values[path] for path in paths if path in self.sources]
            mean = sum(jnp.sum(value) for value in kept) / max(sum(value.size for value in kept), 1)
            filled |= {path: jnp.full_like(values[path], mean) for path in paths if kept and path not in self.sources}
        return filled


def _equal(one: SlotLeaf, other: SlotLeaf) -> bool:
    return bool(jnp.array_equal(one.value, other.value))
