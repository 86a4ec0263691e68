"""The state of another library's Adam as one of gradtx: averages, and how far their bias has gone."""

import dataclasses
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from gradtx import GradientTransformation, adam, identity, partition
from gradtx._core.trees import is_trainable, path_name
from gradtx._core.types import PyTree
from gradtx.training._migrate import migrated
from gradtx.training._migrate_report import Migration
from gradtx.training._migrate_slots import Slots


@dataclasses.dataclass(frozen=True)
class Imported:
    """A state of gradtx that was made from another library's, and the report on it leaf by leaf."""

    state: PyTree
    migration: Migration


@dataclasses.dataclass(frozen=True)
class AdamLeaf:
    """What Adam remembers of one leaf: both averages, uncorrected, the steps taken, and the decays they were taken with."""

    first: Any
    second: Any
    count: int
    b1: float
    b2: float


def imported(tx: GradientTransformation, params: PyTree, leaves: dict[str, AdamLeaf], called: str) -> Imported:
    """The state of `tx` that goes on from these averages."""
    if not isinstance(cast(Any, tx), GradientTransformation):
        raise TypeError(f"{called}: tx must be a transformation of gradtx, got {type(tx).__name__}.")
    trained = {path_name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(params) if is_trainable(leaf)}
    of_adam, own = ({leaf.meaning for leaf in Slots(part, part.init(params), params).leaves.values()} for part in (adam(0.0), tx))
    needed = {"/".join(leaf) for _, leaf in own & of_adam}
    _check(leaves, trained, needed, called)
    alike: dict[tuple[int, float, float], set[str]] = {}
    for name, leaf in leaves.items():
        alike.setdefault((leaf.count, leaf.b1, leaf.b2), set()).add(name)
    groups = [(lambda path, leaf, names=frozenset(names): path in names, adam(0.0)) for names in alike.values()]
    before = partition(*groups, *([(None, identity())] if set(trained) - set(leaves) else []))
    state = before.init(params)
    for entry, (count, b1, b2) in zip(state.get("partition", {}).values(), alike, strict=False):  # the rest has no entry, or the last one
        _fill(entry["scale_by_momentum"]["bias_correction"], _past(b1, count), {name: leaf.first for name, leaf in leaves.items()})
        _fill(entry["scale_by_rms"]["bias_correction"], _past(b2, count), {name: leaf.second for name, leaf in leaves.items()})
    state["step"] = jnp.asarray(max((leaf.count for leaf in leaves.values()), default=0), jnp.int32)
    return Imported(*migrated(before, state, tx, params, {}))


def _past(decay: float, count: int) -> float:
    """The weight of what was averaged, 1 − βᵗ."""
    return -float(np.expm1(count * np.log(decay))) if decay > 0 else float(count > 0)


def _fill(entry: dict[str, Any], weight: float, averages: dict[str, Any]) -> None:
    """Put averages, and the weight of their bias correction, into an entry of zeros."""
    entry["of_one"] = jax.tree.map(lambda zero: jnp.asarray(weight, zero.dtype), entry["of_one"])
    entry["ema"] = jax.tree_util.tree_map_with_path(lambda path, zero: jnp.asarray(averages[path_name(path[1:])], zero.dtype), entry["ema"])


def _check(leaves: dict[str, AdamLeaf], trained: dict[str, Any], needed: set[str], called: str) -> None:
    """Make sure that there are averages of every leaf that the optimizer remembers something of, in the shape of that leaf."""
    unknown, absent = sorted(set(leaves) - set(trained)), sorted((set(trained) - set(leaves)) & needed)
    if unknown or absent:
        raise ValueError(
            f"{called}: the leaves differ from those of the parameters: "
            f"missing: {', '.join(absent) or 'nothing'}; unexpected: {', '.join(unknown) or 'nothing'}."
        )
    for name in leaves:
        leaf = trained[name]
        if jnp.iscomplexobj(leaf):
            raise TypeError(f"{called}: {name} is complex, and gradtx keeps averages of its two parts, which are not in one of |g|².")
        if jnp.shape(leaf) != np.shape(leaves[name].first):
            raise ValueError(f"{called}: {name} has averages of shape {np.shape(leaves[name].first)}, where its own is {jnp.shape(leaf)}.")
