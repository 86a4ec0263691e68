"""A step size from a model of the loss that remembers past batches."""

from typing import Any

import jax.numpy as jnp

from gradtx._core.numerics import bounded, matched, scaled, widest
from gradtx._core.transformation import Moment, transformation
from gradtx._core.types import NonNegative, Number, PyTree
from gradtx._core.whole import bounded_norm, dot, ratio


@transformation(averages=True)
def scale_by_momo(learning_rate: NonNegative, moment: Moment, f_min: Number) -> Any:
    """Average, and multiply by the model-based step size: u ← d · min(1, max(f̄ + ⟨d, θ⟩ − γ − f_min, 0) / (η ‖d‖²)).

    d, f̄ and γ are the `moment` of u, of the extra `value` f, and of ⟨u, θ⟩, over all leaves together: `ema_from_first(0.9)`.
    η is the `learning_rate` that follows: the product is η at most. `f_min` bounds the loss of a batch from below.
    (Schaipp et al. 2023, algorithm 1.)
    """

    def init(params: PyTree) -> Any:
        of_loss = dict.fromkeys(("value", "inner_product"), jnp.zeros((), widest(params)))
        return {"average": moment.init(params), "of_loss": moment.init(of_loss)}

    def update(updates: PyTree, state: Any, params: PyTree, *, value: Any) -> Any:
        g, dtype = bounded(updates), widest(updates)
        average, of_average = moment.update(g, state["average"])
        of_loss = {"value": jnp.asarray(value).astype(dtype), "inner_product": dot(g, params)}
        mean, of_loss = moment.update(of_loss, state["of_loss"])
        gap = jnp.maximum(mean["value"] + (dot(average, params) - mean["inner_product"]) - matched(f_min, dtype), 0)
        norm, _ = bounded_norm(average)
        factor = jnp.minimum(ratio(ratio(ratio(gap, norm), norm), matched(learning_rate, dtype)), 1)
        return scaled(average, by=factor), {"average": of_average, "of_loss": of_loss}

    return init, update
