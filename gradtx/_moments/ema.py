"""The exponentially weighted moving average."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.numerics import averaged
from gradtx._core.transformation import transformation
from gradtx._core.types import Decay, PyTree


@transformation(averages=True)
def ema(decay: Decay) -> Any:
    """The exponentially weighted moving average: m ← β m + (1 − β) x, from m = 0.

    `decay` is β in [0, 1); it averages over about 1/(1 − β) steps and halves a contribution in log ½ / log β steps.
    It starts at zero and is biased towards it for that long; `bias_correction(ema(decay))` removes this exactly. A
    schedule that is 0 at the first step makes it begin at the first value instead.
    """

    def init(params: PyTree) -> Any:
        return {"average": jax.tree.map(jnp.zeros_like, params)}

    def update(updates: PyTree, state: Any) -> Any:
        average = averaged(state["average"], updates, decay=decay)
        return average, {"average": average}

    return init, update
