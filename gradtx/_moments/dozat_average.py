"""Nadam's first moment: Nesterov's look-ahead with a bias correction for each of its two terms."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.numerics import averaged, matched, weighted_sum, widest
from gradtx._core.transformation import transformation
from gradtx._core.types import Decay, PyTree


@transformation(averages=True)
def dozat_average(decay: Decay, momentum: Decay, next_momentum: Decay) -> Any:
    """Nadam's look-ahead: μₜ₊₁ m / (1 − Πᵗ⁺¹μ) + (1 − μₜ) x / (1 − Πᵗμ), with m ← β m + (1 − β) x.

    `decay` is β, `momentum` and `next_momentum` are μ at this step and at the next (give schedules; equal constants
    for the form without a momentum schedule). (Dozat 2016, algorithm 2, where β = μₜ; PyTorch keeps β constant.)
    """

    def init(params: PyTree) -> Any:
        return {"average": jax.tree.map(jnp.zeros_like, params), "product": jnp.ones((), widest(params))}

    def update(updates: PyTree, state: Any) -> Any:
        average = averaged(state["average"], updates, decay=decay)
        dtype = state["product"].dtype
        now, ahead = matched(momentum, dtype), matched(next_momentum, dtype)
        product = state["product"] * now
        value = weighted_sum(average, updates, of_x=ahead / (1 - product * ahead), of_y=(1 - now) / (1 - product))
        return value, {"average": average, "product": product}

    return init, update
