"""Adam's direction, and a step size from a model of the loss that remembers past batches."""

from typing import Any

import jax.numpy as jnp

from gradtx._core.numerics import bounded, matched, scaled, squared, widest
from gradtx._core.rooted import divided_by_root
from gradtx._core.transformation import Moment, transformation
from gradtx._core.types import NonNegative, Number, Positive, PyTree
from gradtx._core.whole import dot, ratio


@transformation(averages=True)
def scale_by_momo_adam(learning_rate: NonNegative, moment: Moment, second: Moment, eps: Positive, f_min: Number) -> Any:
    """Adam, times a model-based step size: u ← m̂ / D · min(1, max(f̄ + ⟨m̂, θ⟩ − γ − f_min, 0) / (η ⟨m̂, m̂ / D⟩)), D = √v̂ + eps.

    m̂, f̄ and γ are the `moment` of u, of the extra `value` f, and of ⟨u, θ⟩, over all leaves together; v̂ is the `second` of u².
    η is the `learning_rate` that follows: the product is η at most, as Adam's. `f_min` bounds the loss of a batch from below.
    (Schaipp et al. 2023, section 4.)
    """
    of_squares = second.nonnegative()

    def init(params: PyTree) -> Any:
        intercept = moment.init(jnp.zeros((), widest(params)))
        return {"mean": moment.init(params), "second": of_squares.init(params), "intercept": intercept}

    def update(updates: PyTree, state: Any, params: PyTree, *, value: Any) -> Any:
        g, dtype = bounded(updates), widest(updates)
        mean, of_mean = moment.update(g, state["mean"])
        squares, of_second = of_squares.update(squared(g), state["second"])
        intercept, of_intercept = moment.update(jnp.asarray(value).astype(dtype) - dot(g, params), state["intercept"])
        direction = divided_by_root(mean, squares, eps=eps, eps_root=None, floor=None, exponent=None)
        gap = jnp.maximum(intercept + dot(mean, params) - matched(f_min, dtype), 0)
        factor = ratio(gap, jnp.maximum(gap, matched(learning_rate, dtype) * dot(mean, direction)))
        return scaled(direction, by=factor), {"mean": of_mean, "second": of_second, "intercept": of_intercept}

    return init, update
