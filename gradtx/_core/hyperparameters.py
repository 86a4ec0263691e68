"""Reading the hyperparameters in force."""

from typing import Any, cast

import jax
import jax.numpy as jnp

from gradtx._core.call import Call, one_by_one
from gradtx._core.kinds import evaluated, shown
from gradtx._core.run import labels
from gradtx._core.transformation import GradientTransformation
from gradtx._core.types import PyTree


def hyperparameters(tx: GradientTransformation, state: PyTree) -> dict[str, Any]:
    """The numbers that the next update will use: nested dicts by the name of the part and of the argument, schedules evaluated.

    `state` is the optimizer's state, whose `step` decides; it may be traced. Strings, functions and other structure
    are left out.
    """
    if not isinstance(cast(Any, tx), GradientTransformation):
        raise TypeError(f"hyperparameters(tx, state): tx must be a transformation of gradtx, got {shown(tx)}.")
    step = cast(Any, state).get("step") if isinstance(state, dict) else None
    if not isinstance(step, int) and not jnp.issubdtype(getattr(step, "dtype", float), jnp.integer):
        given = f"a dict with the keys {list(cast(Any, state))}" if isinstance(state, dict) else shown(state)
        raise TypeError(f"hyperparameters(tx, state): state must be what tx.init(params) returns, a dict with 'step', got {given}.")
    return _of_parts((tx,), jnp.asarray(step), cast(Any, state))


def _of_parts(parts: tuple[GradientTransformation, ...], step: Any, entries: Any) -> dict[str, Any]:
    if len(parts) == 1 and parts[0].form.composes:
        return _of_parts(parts[0].transformations, step, entries)
    names = labels(parts)
    entries = entries if isinstance(entries, dict) else {}
    values = ((name, _of_arguments(part, step, entries.get(name))) for name, part in zip(names, parts, strict=True))
    return {name: value for name, value in values if value}


def _of_arguments(part: Call, step: Any, entry: Any) -> dict[str, Any]:
    """The numbers of one part. A part that counts steps of its own, as `taken`, evaluates what it wraps at those."""
    found: dict[str, Any] = {}
    entry = entry if isinstance(entry, dict) else {}
    within = jnp.asarray(entry["taken"]) if "taken" in entry else step
    for name, value in part.branches():
        inner = tuple(child for child in one_by_one(value) if isinstance(child, GradientTransformation))
        value = _of_parts(inner, within, entry.get(name, entry)) if inner else evaluated(value, step)
        if jax.tree.leaves(value):
            found[name] = value
    return found
