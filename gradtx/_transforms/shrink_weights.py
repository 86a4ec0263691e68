"""Fromage's factor on the weights after the step."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.numerics import leafwise
from gradtx._core.transformation import stateless, transformation
from gradtx._core.types import NonNegative, PyTree


@leafwise
def _shrunk(u: jax.Array, param: jax.Array, *, eta: Any) -> jax.Array:
    factor = 1 / jnp.sqrt(1 + eta * eta)
    lost = eta * eta * factor * factor / (1 + factor)  # 1 − factor, without cancellation
    return factor * u - lost * param


@transformation(uphill=False)
def shrink_weights(eta: NonNegative) -> Any:
    """Divide what the weights become by √(1 + η²): u ← (θ + u) / √(1 + η²) − θ.

    After a step of length η ‖θ‖ at right angles to θ, that keeps ‖θ‖ as it was. Behind the learning rate η.
    (Bernstein et al. 2020, arXiv 2002.03432, algorithm 1.)
    """

    def apply(updates: PyTree, params: PyTree) -> PyTree:
        return _shrunk(updates, params, eta=eta)

    return stateless(apply)
