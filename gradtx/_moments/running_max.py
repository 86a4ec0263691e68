"""The largest value a statistic has had."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.numerics import leafwise
from gradtx._core.run import with_slots, without_slots
from gradtx._core.transformation import Moment, identity, transformation
from gradtx._core.types import Decay, PyTree


@leafwise
def _larger(maximum: jax.Array, x: jax.Array) -> jax.Array:
    return jnp.maximum(maximum, x)


@leafwise
def _larger_or_decayed(maximum: jax.Array, x: jax.Array, *, decay: Any) -> jax.Array:
    return jnp.maximum(decay * maximum, x)


@transformation(averages=True)
def running_max(moment: Moment = identity()) -> Any:
    """The largest value that a non-negative statistic has had: u ← max(u, moment(x)).

    Around the second moment it makes AMSGrad: `running_max(bias_correction(ema(b2)))` compares corrected moments as
    Optax does, `bias_correction(running_max(ema(b2)))` compares raw ones and corrects the largest, as PyTorch does.
    """

    def init(params: PyTree) -> Any:
        return with_slots(moment.init(params), "running_max", max=jax.tree.map(jnp.zeros_like, params))

    def update(updates: PyTree, state: Any) -> Any:
        value, inner = moment.update(updates, without_slots(state, "max"))
        maximum = _larger(state["max"], value)
        return maximum, {"max": maximum, **inner}

    return init, update


@transformation(averages=True)
def decaying_max(decay: Decay) -> Any:
    """The largest recent value of a non-negative statistic: u ← max(β u, x). AdaMax's statistic of |gradient|."""

    def init(params: PyTree) -> Any:
        return {"max": jax.tree.map(jnp.zeros_like, params)}

    def update(updates: PyTree, state: Any) -> Any:
        maximum = _larger_or_decayed(state["max"], updates, decay=decay)
        return maximum, {"max": maximum}

    return init, update
