"""The state of another library's Adam as one of gradtx: averages, and how far their bias has gone."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradtx import GradientTransformation, adam
from gradtx._core.trees import is_trainable, path_name
from gradtx._core.types import PyTree
from gradtx.training._migrate import migrated
from gradtx.training._migrate_report import Migration


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
    if not isinstance(tx, GradientTransformation):
        raise TypeError(f"{called}: tx must be a transformation of gradtx, got {type(tx).__name__}.")
    count = max((leaf.count for leaf in leaves.values()), default=0)
    before = adam(0.0)
    state = before.init(params)
    ones = {"b1": _weight(leaves, "b1"), "b2": _weight(leaves, "b2")}
    values = {
        ("scale_by_momentum", name): np.asarray(leaf.first) * _ratio(ones["b1"], leaf.b1, leaf.count) for name, leaf in leaves.items()
    }
    values |= {("scale_by_rms", name): np.asarray(leaf.second) * _ratio(ones["b2"], leaf.b2, leaf.count) for name, leaf in leaves.items()}
    entry = state["adam"]
    for part, decay in (("scale_by_momentum", "b1"), ("scale_by_rms", "b2")):
        kept = entry[part]["bias_correction"]
        kept["of_one"] = jax.tree.map(lambda one, decay=decay: jnp.asarray(ones[decay], one.dtype), kept["of_one"])
        kept["ema"] = {"average": _placed(kept["ema"]["average"], {n: v for (p, n), v in values.items() if p == part}, params, called)}
    return Imported(*migrated(before, {**state, "step": jnp.asarray(count, jnp.int32)}, tx, params, {}))


def _past(decay: float, count: int) -> float:
    """The weight of what was averaged, 1 − βᵗ."""
    return -float(np.expm1(count * np.log(decay))) if decay > 0 else float(count > 0)


def _weight(leaves: dict[str, AdamLeaf], decay: str) -> float:
    return max((_past(getattr(leaf, decay), leaf.count) for leaf in leaves.values()), default=0.0)


def _ratio(one: float, decay: float, count: int) -> float:
    """What an average is multiplied by, so that its own correction may be replaced by the common one."""
    own = _past(decay, count)
    return one / own if own else 0.0


def _placed(zeros: PyTree, values: dict[str, Any], params: PyTree, called: str) -> PyTree:
    trained = {path_name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(params) if is_trainable(leaf)}
    unknown, absent = sorted(set(values) - set(trained)), sorted(set(trained) - set(values))
    if unknown or absent:
        raise ValueError(
            f"{called}: the leaves differ from those of the parameters: "
            f"missing: {', '.join(absent) or 'nothing'}; unexpected: {', '.join(unknown) or 'nothing'}."
        )
    for name, leaf in trained.items():
        if jnp.iscomplexobj(leaf):
            raise TypeError(f"{called}: {name} is complex, and gradtx keeps averages of its two parts, which are not in one of |g|².")
        if jnp.shape(leaf) != np.shape(values[name]):
            raise ValueError(f"{called}: {name} has averages of shape {np.shape(values[name])}, where its own is {jnp.shape(leaf)}.")
    return jax.tree_util.tree_map_with_path(lambda path, zero: jnp.asarray(values[path_name(path)], zero.dtype), zeros)
