"""Division by how far gradients were from their average, as known before the present one came."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.numerics import averaged, cut_off, leafwise, matched, root, squared_distance, widest
from gradtx._core.transformation import transformation
from gradtx._core.types import Decay, NonNegative, Positive, PyTree


@leafwise
def _divided(u: jax.Array, s: jax.Array, *, weight: Any, eps: Any) -> jax.Array:
    below = root(s / jnp.where(weight > 0, weight, 1)) + eps
    return jnp.where(weight > 0, cut_off(u) / below, u)


@leafwise
def _belief(s: jax.Array, square: jax.Array, *, decay: Any, eps: Any) -> jax.Array:
    return decay * s + (1 - decay) * square + eps


@transformation
def scale_by_lagged_belief(b1: Decay, b2: Decay, eps: Positive, eps_moment: NonNegative) -> Any:
    """Divide by AdaBelief's root of the step before: u ← u / (√ŝ + eps), then s ← b2 s + (1 − b2)(g − m)² + eps_moment.

    m averages g with b1 and knows the present gradient; ŝ is corrected for starting at zero. Nothing is known at the first
    step, which leaves u as it is. (Zhuang et al. 2021, algorithm 2.)
    """

    def init(params: PyTree) -> Any:
        zeros = {name: jax.tree.map(jnp.zeros_like, params) for name in ("average", "belief")}
        return {**zeros, "weight": jnp.zeros((), widest(params))}

    def update(updates: PyTree, state: Any, params: PyTree = None, *, gradient: PyTree) -> Any:
        weight = state["weight"]
        scaled = _divided(updates, state["belief"], weight=weight, eps=eps)
        average = averaged(state["average"], gradient, decay=b1)
        belief = _belief(state["belief"], squared_distance(gradient, average), decay=b2, eps=eps_moment)
        past = jnp.asarray(matched(b2, weight.dtype))
        return scaled, {"average": average, "belief": belief, "weight": past * weight + (1 - past)}

    return init, update
