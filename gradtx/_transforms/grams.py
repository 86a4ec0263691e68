"""The size of the updates in the direction of the gradient."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.flow import Flow
from gradtx._core.numerics import leafwise
from gradtx._core.transformation import stateless, transformation
from gradtx._core.types import PyTree


@leafwise
def _directed(u: jax.Array, gradient: jax.Array, *, toward: Any) -> jax.Array:
    return toward * jnp.sign(gradient) * jnp.abs(u)


@transformation
def grams() -> Any:
    """Give the updates the sign of the gradient and keep their size: u ← sign(g) |u|.

    Momentum then says how far, the newest gradient which way. It stands behind the moments or behind a whole
    optimizer, `chain(adam(1e-3), grams())`, and before weight decay. Another library's optimizer has to be turned
    uphill for it, as for `cautious`. (Cao, Li & Song 2024, arXiv 2412.17107, algorithm 1; own paper only.)
    """

    def apply(updates: PyTree, *, flow: Flow) -> PyTree:
        return _directed(updates, flow.gradient, toward=-1.0 if flow.downhill else 1.0)

    return stateless(apply)
