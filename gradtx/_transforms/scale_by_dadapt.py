"""Adam in units of a lower bound of the distance to the solution, from gradients alone."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.numerics import averaged, bounded, largest_root, leafwise, matched, root, scaled, squared, weighted_sum, widest
from gradtx._core.selection import Where
from gradtx._core.transformation import transformation
from gradtx._core.types import Decay, NonNegative, Positive, PyTree
from gradtx._core.whole import dot, ratio, taxicab_norm


@leafwise
def _over_root(x: jax.Array, second: jax.Array, *, eps: Any) -> jax.Array:
    return x / (root(second) + eps)


@transformation(averages=True)
def scale_by_dadapt(
    learning_rate: NonNegative, b1: Decay, b2: Decay, eps: Positive, d0: Positive, weight_decay: NonNegative, where: Where = None
) -> Any:
    """Adam with a step size that grows to a bound of the distance: u ← ema(d γ u) / (√ema(u²) + eps) + λ d γ θ.

    d ← max(d, r / ((1 − √b2) ‖s‖₁)) from `d0`, where s and r are √b2-weighted averages of d γ u and of d γ ⟨u, s⟩, the latter in the metric
    1 / (√v + eps) of the step before, over all leaves together. γ is the `learning_rate`; the one behind it is 1. `where` chooses the
    leaves that decay, by the `weight_decay` λ. (Defazio & Mishchenko 2023, algorithm 5, as their code has it.)
    """

    def init(params: PyTree) -> Any:
        dtype = widest(params)
        slots = {name: jax.tree.map(jnp.zeros_like, params) for name in ("mean", "second", "sum")}
        return {**slots, "correlation": jnp.zeros((), dtype), "distance": jnp.asarray(d0, dtype)}

    def update(updates: PyTree, state: Any, params: PyTree) -> Any:
        d = state["distance"]
        rate, kept = matched(learning_rate, d.dtype) * d, jnp.sqrt(matched(b2, d.dtype))
        g = bounded(updates)
        along = rate * dot(g, _over_root(state["sum"], state["second"], eps=eps))
        mean = averaged(state["mean"], scaled(g, by=rate), decay=b1)
        second = averaged(state["second"], squared(g), decay=b2)
        total = averaged(state["sum"], scaled(g, by=rate), decay=kept)
        correlation = averaged(state["correlation"], along, decay=kept)
        grown = jnp.maximum(d, ratio(correlation, (1 - kept) * taxicab_norm(total)))
        grown = jnp.minimum(grown, largest_root(d.dtype) ** 0.5)  # down a slope without end d doubles for ever, and d² is a factor of r
        step = _over_root(mean, second, eps=eps)
        decayed = weighted_sum(step, params, of_x=1, of_y=weight_decay * rate)
        moved = jax.tree.map(lambda u, with_decay, inside: with_decay if inside else u, step, decayed, where(params))
        return moved, {"mean": mean, "second": second, "sum": total, "correlation": correlation, "distance": grown}

    return init, update
