"""A step size from a model of the loss that remembers past batches."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.numerics import averaged, bounded, matched, scaled, widest
from gradtx._core.transformation import transformation
from gradtx._core.types import Decay, NonNegative, Number, PyTree
from gradtx._core.whole import bounded_norm, dot, ratio


@transformation(averages=True)
def scale_by_momo(learning_rate: NonNegative, decay: Decay, f_min: Number) -> Any:
    """Average, and multiply by the model-based step size: u ← d · min(1, max(f̄ + ⟨d, θ⟩ − γ − f_min, 0) / (η ‖d‖²)).

    d, f̄ and γ are averages of u, of the extra `value` f, and of ⟨u, θ⟩, over all leaves together, begun at their first values.
    η is the `learning_rate` that follows: the product is η at most. `f_min` bounds the loss of a batch from below.
    (Schaipp et al. 2023, algorithm 1.)
    """

    def init(params: PyTree) -> Any:
        zero, count = jnp.zeros((), widest(params)), jnp.zeros((), jnp.int32)
        return {"average": jax.tree.map(jnp.zeros_like, params), "value": zero, "inner_product": zero, "seen": count}

    def update(updates: PyTree, state: Any, params: PyTree, *, value: Any) -> Any:
        dtype = state["value"].dtype
        kept = jnp.where(state["seen"] == 0, 0, matched(decay, dtype))
        g = bounded(updates)
        average = averaged(state["average"], g, decay=kept)
        mean = kept * state["value"] + (1 - kept) * jnp.asarray(value).astype(dtype)
        product = kept * state["inner_product"] + (1 - kept) * dot(g, params)
        gap = jnp.maximum(mean + (dot(average, params) - product) - matched(f_min, dtype), 0)
        norm, _ = bounded_norm(average)
        factor = jnp.minimum(ratio(ratio(ratio(gap, norm), norm), matched(learning_rate, dtype)), 1)
        state = {"average": average, "value": mean, "inner_product": product, "seen": jnp.ones_like(state["seen"])}
        return scaled(average, by=factor), state

    return init, update
