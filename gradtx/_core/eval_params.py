"""The parameters that a model is evaluated at."""

from typing import Any, cast

import jax
import jax.numpy as jnp

from gradtx._core.contract import expected_entries
from gradtx._core.evaluation import averaging_parts, evaluated_entries
from gradtx._core.kinds import shown
from gradtx._core.run import label, without_slots
from gradtx._core.signals import Signals
from gradtx._core.state import check_entries, check_step
from gradtx._core.transformation import GradientTransformation
from gradtx._core.trees import Boundary
from gradtx._core.types import PyTree


def eval_params(tx: GradientTransformation, params: PyTree, state: PyTree) -> PyTree:
    """The parameters to evaluate at: the average that `tx` keeps of them, `params` themselves where it keeps none.

    `params` and `state` are what training has reached. The result is a tree like `params`, in its dtypes; training goes on from
    `params`. It sees through `chain`, `named`, and every wrapper; groups of `partition` are evaluated each by itself. An optimizer
    with two averages of the same leaves does not say which of them is meant, and is refused. It works under `jit`, `vmap` and `grad`.
    """
    if not isinstance(cast(Any, tx), GradientTransformation):
        raise TypeError(f"eval_params(tx, params, state): tx must be a transformation of gradtx, got {shown(tx)}.")
    part = label(tx)
    check_step(state, part, "eval_params(tx, params, state)")
    boundary = Boundary(params, "parameters", part)
    inner = boundary.inward(params, "parameters")
    signals = Signals(step=jnp.asarray(state["step"]), leaves=boundary.names())
    places = averaging_parts(tx, signals)
    if len(places) > 1:
        raise ValueError(f"eval_params: {' and '.join(places)} each keep parameters to evaluate at, and only one can be meant. Keep one.")
    entries = without_slots(state, "step")
    check_entries(entries, expected_entries(tx, inner, boundary.names()), part, exact=True)
    return boundary.restored(evaluated_entries(tx, inner, entries, signals)) if places else jax.tree.map(lambda leaf: leaf, params)
