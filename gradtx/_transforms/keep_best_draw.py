"""Random search: draw, keep the best."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.numerics import matched
from gradtx._core.random import leaf_keys, normal_like
from gradtx._core.transformation import stateless, transformation
from gradtx._core.types import Key, NonNegative, PyTree


@transformation
def keep_best_draw(radius: NonNegative, key: Key) -> Any:
    """Replace the updates by a Gaussian step if it lowers the loss, by nothing if not: u ← r ξ if f(θ + r ξ) < f(θ), else 0.

    The gradient is not read. It needs the extra `value_fn`, the loss as a function of the parameters; `value`, the
    loss at the parameters on the same batch, saves one of its two evaluations. A draw whose loss is NaN is never
    kept.
    """

    def apply(updates: PyTree, params: PyTree, *, step: jax.Array, value_fn: Any, value: Any = None) -> PyTree:
        def drawn(u: jax.Array, leaf_key: jax.Array) -> jax.Array:
            return matched(radius, u.dtype) * normal_like(u, leaf_key)

        draw = jax.tree.map(drawn, updates, leaf_keys(key, step, updates))
        here = value_fn(params) if value is None else value
        better = value_fn(jax.tree.map(jnp.add, params, draw)) < here
        return jax.tree.map(lambda d: jnp.where(better, d, 0), draw)

    return stateless(apply)
