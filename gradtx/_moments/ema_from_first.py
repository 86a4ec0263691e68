"""The exponentially weighted moving average that begins at the first value."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.numerics import averaged
from gradtx._core.transformation import transformation
from gradtx._core.types import Decay, PyTree


@transformation(averages=True)
def ema_from_first(decay: Decay) -> Any:
    """The moving average that begins at the first value: m ← x at the first step, then m ← β m + (1 − β) x.

    It needs no bias correction, and gives the first value the weight βᵗ⁻¹ for it: with β near 1 the first steps hang
    on that one value. NovoGrad's second moment.
    """

    def init(params: PyTree) -> Any:
        return {"average": jax.tree.map(jnp.zeros_like, params)}

    def update(updates: PyTree, state: Any, params: PyTree = None, *, step: jax.Array) -> Any:
        average = averaged(state["average"], updates, decay=jnp.where(step == 0, 0.0, decay))
        return average, {"average": average}

    return init, update
