"""Adam's direction, and a step size from a model of the loss that remembers past batches."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.numerics import averaged, bounded, divided, leafwise, matched, root, scaled, squared, widest
from gradtx._core.transformation import transformation
from gradtx._core.types import Decay, NonNegative, Number, Positive, PyTree
from gradtx._core.whole import dot, ratio


@leafwise
def _over_root(mean: jax.Array, second: jax.Array, *, weight: Any, eps: Any) -> jax.Array:
    return mean / (root(second / weight) + eps)


@transformation(averages=True)
def scale_by_momo_adam(learning_rate: NonNegative, b1: Decay, b2: Decay, eps: Positive, f_min: Number) -> Any:
    """Adam, times a model-based step size: u ← m̂ / D · min(1, max(f̄ + ⟨m̂, θ⟩ − γ − f_min, 0) / (η ⟨m̂, m̂ / D⟩)), D = √v̂ + eps.

    m̂, v̂, f̄ and γ are corrected averages of u, u², the extra `value` f, and ⟨u, θ⟩, over all leaves together.
    η is the `learning_rate` that follows: the product is η at most, as Adam's. `f_min` bounds the loss of a batch from below.
    (Schaipp et al. 2023, section 4.)
    """

    def init(params: PyTree) -> Any:
        zeros = {name: jax.tree.map(jnp.zeros_like, params) for name in ("mean", "second")}
        return {**zeros, **dict.fromkeys(("intercept", "weight", "second_weight"), jnp.zeros((), widest(params)))}

    def update(updates: PyTree, state: Any, params: PyTree, *, value: Any) -> Any:
        dtype = state["weight"].dtype
        kept, kept_second = matched(b1, dtype), matched(b2, dtype)
        g = bounded(updates)
        new = {
            "mean": averaged(state["mean"], g, decay=b1),
            "second": averaged(state["second"], squared(g), decay=b2),
            "intercept": averaged(state["intercept"], jnp.asarray(value).astype(dtype) - dot(g, params), decay=kept),
            "weight": averaged(state["weight"], jnp.ones((), dtype), decay=kept),
            "second_weight": averaged(state["second_weight"], jnp.ones((), dtype), decay=kept_second),
        }
        mean = divided(new["mean"], by=new["weight"])
        direction = _over_root(mean, new["second"], weight=new["second_weight"], eps=eps)
        gap = jnp.maximum(new["intercept"] / new["weight"] + dot(mean, params) - matched(f_min, dtype), 0)
        factor = ratio(gap, jnp.maximum(gap, matched(learning_rate, dtype) * dot(mean, direction)))
        return scaled(direction, by=factor), new

    return init, update
