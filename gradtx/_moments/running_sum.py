"""The sum over all steps."""

from typing import Any

import jax

from gradtx._core.numerics import filled, leafwise
from gradtx._core.transformation import transformation
from gradtx._core.types import NonNegative, PyTree


@leafwise
def _summed(total: jax.Array, x: jax.Array) -> jax.Array:
    return total + x


@transformation(averages=True)
def running_sum(initial: NonNegative = 0.0) -> Any:
    """The sum over all steps: s ← s + x, from s = `initial`. AdaGrad's statistic of the squared gradient."""

    def init(params: PyTree) -> Any:
        return {"sum": filled(params, value=initial)}

    def update(updates: PyTree, state: Any) -> Any:
        total = _summed(state["sum"], updates)
        return total, {"sum": total}

    return init, update
