"""Averages of parameters, where a state is carried over: they and what says how much they have taken in belong together."""

from collections.abc import Collection, Mapping
from typing import Any

import jax.numpy as jnp

from gradtx.training._migrate_slots import Slots


def counted_where_averages_come_from(old: Slots, new: Slots, sources: Mapping[str, str], tied: Collection[str]) -> dict[str, str]:
    """The sources, in which averages go by the counts of the place they come from, of several by those of what has taken in most."""
    sources = dict(sources)
    for weight in dict.fromkeys(filter(None, map(new.weight_of_average, new.leaves.values()))):
        place = weight.rpartition("/")[0]
        counts = [path for path, leaf in new.leaves.items() if path.rpartition("/")[0] == place and leaf.parameter is None]
        for path in set(counts) - set(tied):
            sources.pop(path, None)
        averages = [path for path, leaf in new.leaves.items() if new.weight_of_average(leaf) == weight and path in sources]
        olds = [other for path in averages if (other := old.weight_of_average(old.leaves[sources[path]]))]
        if olds:
            most = max(olds, key=lambda other: float(old.leaves[other].value)).rpartition("/")[0]
            origins = {path: f"{most}/{path.rpartition('/')[2]}" for path in counts}
            sources = {path: origin for path, origin in origins.items() if origin in old.leaves} | sources
    return sources


def averaged(
    old: Slots, new: Slots, sources: dict[str, str], values: Mapping[str, Any], params: Mapping[tuple[str, ...], Any]
) -> tuple[dict[str, Any], set[str]]:
    """Averages of parameters that now have another weight than they had, and those of them that begin at their parameter.

    One that had taken in nothing is as if the parameter had always been what it is: zeros would be averaged in.
    """
    changed, begun = dict[str, Any](), set[str]()
    for path, leaf in new.leaves.items():
        weight = new.weight_of_average(leaf)
        if not weight:
            continue
        own = old.weight_of_average(old.leaves[sources[path]]) if path in sources else ""
        before, now = float(old.leaves[own].value) if own else 0.0, float(values[weight])
        if before == now:
            continue
        if before > 0 and now > 0:
            changed[path] = values[path] * (now / before) if weight.endswith("/weight") else values[path]
            continue
        sources.pop(path, None)
        changed[path] = (_part(params, leaf.parameter or ()) * min(now, 1.0)).astype(leaf.value.dtype)
        begun |= {path} if now > 0 else set()
    return changed, begun


def _part(params: Mapping[tuple[str, ...], Any], names: tuple[str, ...]) -> Any:
    """A parameter, or the real or imaginary part of one."""
    return params[names] if names in params else getattr(jnp.asarray(params[names[:-1]]), names[-1])
