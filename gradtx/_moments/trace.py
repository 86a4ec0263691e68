"""The decaying sum of heavy-ball momentum."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.numerics import leafwise
from gradtx._core.transformation import transformation
from gradtx._core.types import Decay, PyTree


@leafwise
def _traced(trace: jax.Array, x: jax.Array, *, decay: Any) -> jax.Array:
    return decay * trace + x


@transformation(averages=True)
def trace(decay: Decay) -> Any:
    """The decaying sum of heavy-ball momentum: v ← ρ v + x, from v = 0.

    `decay` is ρ in [0, 1). A constant input grows to x/(1 − ρ), so at ρ = 0.9 the steps are ten times those of
    `ema(0.9)`, which is the other convention of the same method: ema = (1 − ρ) trace. (Polyak 1964; the convention of
    PyTorch and Keras.)
    """

    def init(params: PyTree) -> Any:
        return {"trace": jax.tree.map(jnp.zeros_like, params)}

    def update(updates: PyTree, state: Any) -> Any:
        value = _traced(state["trace"], updates, decay=decay)
        return value, {"trace": value}

    return init, update
