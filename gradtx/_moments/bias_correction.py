"""Removing the bias of a statistic that starts at zero."""

from typing import Any

import jax.numpy as jnp

from gradtx._core.numerics import divided, widest
from gradtx._core.run import with_slots, without_slots
from gradtx._core.transformation import Moment, transformation
from gradtx._core.types import PyTree


@transformation(averages=True)
def bias_correction(moment: Moment) -> Any:
    """The statistic of x divided by the same statistic of the constant 1.

    For `ema(β)` that is m / (1 − βᵗ); it is as right for any linear moment and for decays that change over time, and
    needs no step count. The parts behind it can ask for the uncorrected value as `average`. (Kingma & Ba 2014,
    section 3.)
    """

    def init(params: PyTree) -> Any:
        one = jnp.zeros((), widest(params))
        return with_slots(moment.init(params), "bias_correction", of_one=moment.init(one))

    def update(updates: PyTree, state: Any) -> Any:
        of_one = state["of_one"]
        weight, of_one = moment.update(jnp.ones((), widest(updates)), of_one)
        value, inner = moment.update(updates, without_slots(state, "of_one"))
        corrected = divided(value, by=weight)
        return corrected, {**inner, "of_one": of_one}, {"average": value}

    return init, update
