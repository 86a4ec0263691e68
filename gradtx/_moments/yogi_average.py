"""Yogi's second moment, which grows and shrinks at the same bounded rate."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.numerics import filled, leafwise
from gradtx._core.transformation import transformation
from gradtx._core.types import Decay, NonNegative, PyTree


@leafwise
def _moved(v: jax.Array, x: jax.Array, *, rate: Any) -> jax.Array:
    return v - rate * jnp.sign(v - x) * x


@transformation(averages=True)
def yogi_average(decay: Decay, initial: NonNegative = 1e-6) -> Any:
    """Yogi's statistic of x = gradient²: v ← v − (1 − β) sign(v − x) x, from v = `initial`.

    Unlike an average it moves by at most (1 − β) x at a step, so a burst of small gradients cannot collapse it.
    (Zaheer et al. 2018.)
    """

    def init(params: PyTree) -> Any:
        return {"average": filled(params, value=initial)}

    def update(updates: PyTree, state: Any) -> Any:
        average = _moved(state["average"], updates, rate=1 - decay)
        return average, {"average": average}

    return init, update
