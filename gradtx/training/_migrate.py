"""Carrying the state of one optimizer over to another: by parameter, and by what a slot means."""

import collections
import dataclasses
from collections.abc import Collection, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from gradtx import GradientTransformation
from gradtx._core.call import nearest
from gradtx._core.trees import path_name, path_names
from gradtx._core.types import PyTree
from gradtx.training._migrate_report import Migration, Move
from gradtx.training._migrate_slots import SlotLeaf, Slots

CREATED_AT_PARAMETER = "as if the parameter had always been what it is: zeros would be averaged in with it"
CREATED_AT_MEAN = "at the mean of the slot, whose bias correction is past: zeros would make its first steps too long"


def migrated(before: Any, state: PyTree, tx: GradientTransformation, params: PyTree, ties: Mapping[str, str]) -> tuple[PyTree, Migration]:
    """The state of `tx` for `params` with what `state`, that of the optimizer `before`, has of it, and the report."""
    if before is None:
        raise ValueError(
            "restore: the checkpoint has no optimizer as data, because functions were among its arguments or none was given to save: "
            "what its slots mean is not known. Restore with the optimizer that it was saved with, save again with patterns, then migrate."
        )
    check_names(params, "restore")
    fresh = tx.init(params)
    old, new = Slots(before, state, params), Slots(tx, fresh, params)
    tied = _tied(old, new, ties)
    sources, notes = _counted(old, new, tied, _paired(old, new, ties))
    plan = _Plan(
        old, new, sources, notes, tied.keys(), {path_names(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(params)}
    )
    values, moves = plan.values()
    return new.coded(values, old, plan.sources, plan.rescaled, fresh), Migration((*moves, *plan.dropped()))


def check_names(params: PyTree, called: str) -> None:
    """Refuse parameters of which two have one path: a state is carried over by paths."""
    names = collections.Counter(path_name(path) for path, _ in jax.tree_util.tree_leaves_with_path(params))
    for name, count in names.items():
        if count > 1:
            raise ValueError(f"{called}: {count} parameters have the path {name}, and a state is carried over by path. Rename one of them.")


def _tied(old: Slots, new: Slots, ties: Mapping[str, str]) -> dict[str, str]:
    """The new leaves that somebody has tied to old ones."""
    found: dict[str, str] = {}
    for after, earlier in ties.items():
        here = [path for path in new.leaves if path == after or path.startswith(f"{after}/")]
        there = [path for path in old.leaves if path == earlier or path.startswith(f"{earlier}/")]
        for wanted, matches, slots in ((after, here, new), (earlier, there, old)):
            if not matches:
                names = sorted({leaf.slot for leaf in slots.leaves.values()})
                raise ValueError(f"restore: migrate={{{after!r}: {earlier!r}}}: no slot is called {wanted!r}{nearest(wanted, names)}.")
        tied = {path: source for path in here if (source := earlier + path.removeprefix(after)) in old.leaves}
        if not tied:
            raise ValueError(
                f"restore: migrate={{{after!r}: {earlier!r}}} ties nothing: below the one are {', '.join(here)}, below the other "
                f"{', '.join(there)}. Write paths below which the same follows."
            )
        found |= tied
    return found


def _paired(old: Slots, new: Slots, ties: Mapping[str, str]) -> dict[str, str]:
    """The new leaves with those old ones that mean the same: same parameter, same part, same slot."""
    tied = tuple(ties)
    meanings = collections.defaultdict[Any, list[str]](list)
    for path, leaf in new.leaves.items():
        if not any(path == tie or path.startswith(f"{tie}/") for tie in tied):
            meanings[leaf.meaning].append(path)
    candidates = collections.defaultdict[Any, list[str]](list)
    for path, leaf in old.leaves.items():
        candidates[leaf.meaning].append(path)
    found: dict[str, str] = {}
    for meaning, paths in meanings.items():
        found |= _matched(paths, candidates.get(meaning, []), shared=not meaning[1])
    return found


def _matched(new: list[str], old: list[str], shared: bool) -> dict[str, str]:
    """Equal paths first; then in order, where there are as many; one for several only where it belongs to no parameter."""
    found = {path: path for path in new if path in old}
    left, free = [path for path in new if path not in found], [path for path in old if path not in found]
    if len(left) == len(free):
        return found | dict(zip(left, free, strict=True))
    return found | (dict.fromkeys(left, old[0]) if shared and len(old) == 1 else {})


def _counted(old: Slots, new: Slots, tied: dict[str, str], paired: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Schedules go on where they were: what counts their steps begins at what counted them before. With a note where that is not known.

    Wrappers around a whole optimizer count as `taken` how often their part has run, and its schedules go by the innermost.
    """
    found = dict.fromkeys(new.taken, "step") | paired
    before, now = old.schedule_count(), new.schedule_count()
    if before is not None and now is not None:
        return found | {"step": "step", now: before} | tied, {}
    apart = [path for path in new.taken if found[path] not in old.taken] + sorted({*old.taken} - {*found.values()})
    note = f"parts that count their own steps may be at another one: {', '.join(apart)}"
    return found | tied, {"step": note} if apart else {}


@dataclasses.dataclass
class _Plan:
    """Which old leaf becomes which new one, and the statistics that have to agree with their bias correction."""

    old: Slots
    new: Slots
    sources: dict[str, str]
    said: dict[str, str]
    tied: Collection[str]
    params: Mapping[tuple[str, ...], Any]
    rescaled: set[str] = dataclasses.field(default_factory=set[str])

    def values(self) -> tuple[dict[str, Any], list[Move]]:
        """The new leaves before they are coded, and what is said about each."""
        unfit = {path: note for path, source in self.sources.items() if (note := self._unfit(path, source))}
        notes = self.said | unfit
        for path in unfit:
            del self.sources[path]
        weights = self._weights(notes)
        self._weigh_averages()
        values: dict[str, Any] = {}
        for path, leaf in self.new.leaves.items():
            values[path] = leaf.value if path not in self.sources else self._carried(path, leaf, weights)
        filled = self._filled(values, weights)
        values |= filled
        notes |= dict.fromkeys(filled, CREATED_AT_MEAN)
        averages, begun = self._averaged(values)
        values |= averages
        self.rescaled |= averages.keys() & self.sources.keys()
        notes |= dict.fromkeys(begun, CREATED_AT_PARAMETER) | dict.fromkeys(self.rescaled, "rescaled to the weight of its new neighbours")
        return values, [Move(path, self.sources.get(path), notes.get(path, self._ambiguous(path))) for path in self.new.leaves]

    def dropped(self) -> list[Move]:
        used = set(self.sources.values())
        return [Move(None, path, "") for path in self.old.leaves if path not in used]

    def _unfit(self, path: str, source: str) -> str:
        want, have = self.new.leaves[path].value, self.old.leaves[source].value
        if jnp.shape(want) != jnp.shape(have):
            return f"shape {jnp.shape(have)} before, {jnp.shape(want)} now"
        both_float = jnp.issubdtype(want.dtype, jnp.floating) and jnp.issubdtype(have.dtype, jnp.floating)
        return "" if want.dtype == have.dtype or both_float else f"dtype {have.dtype} before, {want.dtype} now"

    def _ambiguous(self, path: str) -> str:
        if path in self.sources:
            return ""
        meant = [other for other, leaf in self.old.leaves.items() if leaf.meaning == self.new.leaves[path].meaning]
        return f"several could be meant ({', '.join(meant[:3])}): tie one by migrate={{...}}" if len(meant) > 1 else ""

    def _weights(self, notes: dict[str, str]) -> dict[str, str]:
        """For each bias correction the old weight of one that its leaves go by; leaves without one are not carried."""
        weights: dict[str, str] = {}
        for correction, one in self.new.ones.items():
            members = [p for p, leaf in self.new.leaves.items() if leaf.correction == correction and p not in one and p in self.sources]
            origins = dict.fromkeys(self.old.leaves[self.sources[p]].correction for p in members)
            olds = [self.old.ones.get(origin, ()) for origin in origins]
            for path in one:
                self.sources.pop(path, None)
            if not members:
                continue
            if len(one) != 1 or any(len(old) != 1 for old in olds):
                known = len(olds) == 1 and len(olds[0]) == len(one)
                self.sources |= dict(zip(one, olds[0], strict=True)) if known else {}
                notes |= {} if known else dict.fromkeys(members, "the weight of its bias correction is not known")
                for path in () if known else members:
                    del self.sources[path]
                continue
            weight = max((old[0] for old in olds), key=lambda path: float(jnp.max(self.old.leaves[path].value)))
            self.sources[one[0]] = weights[correction] = weight
        return weights

    def _weigh_averages(self) -> None:
        """Averages of parameters go by the counts of the place they come from, or of the one that has taken in most if they are several."""
        for weight in dict.fromkeys(filter(None, map(self.new.weight_of_average, self.new.leaves.values()))):
            counts = [path for path in self.new.leaves if path.rpartition("/")[0] == weight.rpartition("/")[0]]
            for path in set(counts) - set(self.tied):
                self.sources.pop(path, None)
            averages = [
                path for path, leaf in self.new.leaves.items() if self.new.weight_of_average(leaf) == weight and path in self.sources
            ]
            olds = [other for path in averages if (other := self.old.weight_of_average(self.old.leaves[self.sources[path]]))]
            if olds:
                most = max(olds, key=lambda other: float(self.old.leaves[other].value)).rpartition("/")[0]
                origins = {path: f"{most}/{path.rpartition('/')[2]}" for path in counts}
                self.sources = {path: origin for path, origin in origins.items() if origin in self.old.leaves} | self.sources

    def _averaged(self, values: dict[str, Any]) -> tuple[dict[str, Any], set[str]]:
        """Averages of parameters that now have another weight than they had, and those of them that begin at their parameter.

        One that had taken in nothing is as if the parameter had always been what it is: zeros would be averaged in.
        """
        changed, begun = dict[str, Any](), set[str]()
        for path, leaf in self.new.leaves.items():
            weight = self.new.weight_of_average(leaf)
            if not weight:
                continue
            own = self.old.weight_of_average(self.old.leaves[self.sources[path]]) if path in self.sources else ""
            before, now = float(self.old.leaves[own].value) if own else 0.0, float(values[weight])
            if before == now:
                continue
            if before > 0 and now > 0:
                changed[path] = values[path] * (now / before) if weight.endswith("/weight") else values[path]
                continue
            self.sources.pop(path, None)
            changed[path] = (_part(self.params, leaf.meaning[1]) * min(now, 1.0)).astype(leaf.value.dtype)
            begun |= {path} if now > 0 else set()
        return changed, begun

    def _carried(self, path: str, leaf: SlotLeaf, weights: dict[str, str]) -> Any:
        source = self.old.leaves[self.sources[path]]
        value = jnp.asarray(source.value)
        weight = weights.get(leaf.correction)
        own = self.old.ones.get(source.correction, ())
        if weight is not None and own and path not in self.new.ones[leaf.correction] and own[0] != weight:
            before, now = self.old.leaves[own[0]].value, self.old.leaves[weight].value
            if not bool(jnp.array_equal(before, now)):
                value = jnp.where(before > 0, value * (now / jnp.where(before > 0, before, 1)), value)
                self.rescaled.add(path)
        return value.astype(leaf.value.dtype)

    def _filled(self, values: dict[str, Any], weights: dict[str, str]) -> dict[str, Any]:
        """Second moments of leaves that were not trained before, beside those whose correction is past."""
        filled: dict[str, Any] = {}
        for correction in weights:
            paths = [p for p, leaf in self.new.leaves.items() if leaf.correction == correction and p not in self.new.ones[correction]]
            kept = [values[p] for p in paths if p in self.sources]
            if not self.new.of_squares(correction):
                continue
            mean = sum(jnp.sum(value) for value in kept) / max(sum(value.size for value in kept), 1)
            filled |= {p: jnp.full_like(values[p], mean) for p in paths if p not in self.sources}
        return filled


def _part(params: Mapping[tuple[str, ...], Any], names: tuple[str, ...]) -> Any:
    """A parameter, or the real or imaginary part of one."""
    return params[names] if names in params else getattr(jnp.asarray(params[names[:-1]]), names[-1])
