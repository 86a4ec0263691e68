"""An average that is remembered at one rate and read at another."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.numerics import averaged, weighted_sum
from gradtx._core.transformation import transformation
from gradtx._core.types import Decay, OpenDecay, PyTree


@transformation(averages=True)
def two_rate_average(b1: Decay, b2: OpenDecay) -> Any:
    """Remember m ← b2 m + (1 − b2) x, hand on b1 m_old + (1 − b1) x: Lion's statistic.

    What is handed on is computed from the new m, so that the old one may be overwritten; hence b2 > 0. (Chen et al.
    2023, algorithm 2.)
    """

    def init(params: PyTree) -> Any:
        return {"average": jax.tree.map(jnp.zeros_like, params)}

    def update(updates: PyTree, state: Any) -> Any:
        average = averaged(state["average"], updates, decay=b2)
        read = weighted_sum(average, updates, of_x=b1 / b2, of_y=1 - b1 / b2)
        return read, {"average": average}

    return init, update
