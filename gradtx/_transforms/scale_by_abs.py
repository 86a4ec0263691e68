"""The part that divides by a running statistic of the gradient's magnitude."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.numerics import leafwise
from gradtx._core.transformation import Moment, transformation
from gradtx._core.types import Positive, PyTree


@leafwise
def _magnitude(x: jax.Array, *, eps: Any) -> jax.Array:
    return jnp.abs(x) + eps


@leafwise
def _quotient(u: jax.Array, magnitude: jax.Array) -> jax.Array:
    return u / magnitude


@transformation
def scale_by_abs(moment: Moment, eps: Positive = 1e-8) -> Any:
    """Divide the updates by a running statistic of the gradient's magnitude: u ← u / moment(|g| + eps).

    With `decaying_max(b2)` it is the infinity norm of AdaMax. (Kingma & Ba 2014, section 7.1.)
    """
    moment = moment.nonnegative()

    def update(updates: PyTree, state: Any, params: PyTree = None, *, gradient: PyTree) -> Any:
        magnitude, state = moment.update(_magnitude(gradient, eps=eps), state)
        return _quotient(updates, magnitude), state

    return moment.init, update
