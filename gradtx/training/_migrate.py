"""Carrying the state of one optimizer over to another: by parameter, and by what a slot means."""

import collections
from collections.abc import Mapping
from typing import Any

import jax

from gradtx import GradientTransformation
from gradtx._core.call import nearest
from gradtx._core.trees import path_name, path_names
from gradtx._core.types import PyTree
from gradtx.training._migrate_plan import Plan
from gradtx.training._migrate_report import Migration
from gradtx.training._migrate_slots import Slots


def migrated(before: Any, state: PyTree, tx: GradientTransformation, params: PyTree, ties: Mapping[str, str]) -> tuple[PyTree, Migration]:
    """The state of `tx` for `params` with what `state`, that of the optimizer `before`, has of it, and the report."""
    if before is None:
        raise ValueError(
            "restore: the checkpoint has no optimizer as data, because functions were among its arguments or none was given to save: "
            "what its slots mean is not known. Restore with the optimizer that it was saved with, and save again with patterns in the "
            "place of functions, or without the parts that take them; then migrate."
        )
    check_names(params, "restore")
    fresh = tx.init(params)
    old, new = Slots(before, state, params), Slots(tx, fresh, params)
    tied = _tied(old, new, ties)
    sources, notes = _counted(old, new, tied, _paired(old, new, ties))
    plan = Plan(
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
        shared = new.leaves[paths[0]].parameter is None
        found |= _matched(paths, candidates.get(meaning, []), shared)
    return found


def _matched(new: list[str], old: list[str], shared: bool) -> dict[str, str]:
    """Equal paths first, then the only one that is left; numbers that leaves share in order, where there are as many, or one for all."""
    found = {path: path for path in new if path in old}
    left, free = [path for path in new if path not in found], [path for path in old if path not in found]
    if len(left) == len(free) and (shared or len(left) == 1):
        return found | dict(zip(left, free, strict=True))
    return found | (dict.fromkeys(left, old[0]) if shared and len(old) == 1 else {})


def _counted(old: Slots, new: Slots, tied: dict[str, str], paired: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Schedules go on where they were: what counts their steps begins at what counted them before. With a note where that is not known.

    Wrappers around a whole optimizer count as `taken` how often their part has run, and its schedules go by the innermost.
    """
    found = dict.fromkeys(new.taken, "step") | paired
    before, now = old.schedule_count() or old.agreed_count(), new.schedule_count()
    if before is not None and now is not None:
        return found | {"step": "step", now: before} | tied, {}
    apart = [path for path in new.taken if found[path] not in old.taken] + sorted({*old.taken} - {*found.values()})
    note = f"parts that count their own steps may be at another one: {', '.join(apart)}"
    return found | tied, {"step": note} if apart else {}
