"""A step ahead, from the change of the updates."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.numerics import leafwise
from gradtx._core.transformation import transformation
from gradtx._core.types import NonNegative, PyTree


@leafwise
def _ahead(u: jax.Array, before: jax.Array, *, alpha: Any, beta: Any, known: Any) -> jax.Array:
    return alpha * u + beta * jnp.where(known > 0, u - before, 0)


@transformation
def scale_by_optimistic_gradient(alpha: NonNegative = 1.0, beta: NonNegative = 1.0) -> Any:
    """Add the change since the step before: u ← (α + β) u − β u_before, with u_before = u at the first step.

    What moved last time is expected to move again. It damps the rotation of games, in which gradient descent spirals
    outwards. (Daskalakis et al. 2017; α and β of Mokhtari et al. 2019, arXiv 1901.08511, equation 6.)
    """

    def init(params: PyTree) -> Any:
        return {"before": jax.tree.map(jnp.zeros_like, params)}

    def update(updates: PyTree, state: Any, params: PyTree = None, *, step: jax.Array) -> Any:
        return _ahead(updates, state["before"], alpha=alpha, beta=beta, known=step), {"before": updates}

    return init, update
