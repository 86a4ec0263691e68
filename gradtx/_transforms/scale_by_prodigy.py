"""Adam in units of an estimated distance to the solution."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.numerics import bounded, leafwise, matched, root, scaled, squared, weighted_sum, widest
from gradtx._core.transformation import Moment, transformation
from gradtx._core.types import Decay, NonNegative, Positive, PyTree
from gradtx._core.whole import copied, difference, dot, ratio, taxicab_norm


@leafwise
def _step(mean: jax.Array, second: jax.Array, *, distance: Any, eps: Any) -> jax.Array:
    return distance * mean / (root(second) + distance * eps)


@transformation(averages=True)
def scale_by_prodigy(
    learning_rate: NonNegative, moment: Moment, second: Moment, b2: Decay, eps: Positive, d0: Positive, d_coef: Positive
) -> Any:
    """Adam with a step size d that grows to the distance of the solution: u ← d m / (√v + d eps), of the moments m of d u and v of d² u².

    d ← max(d, c r/‖s‖₁) from `d0`, where r and s are √b2-weighted sums of γ d² ⟨u, θ₀ − θ⟩ and γ d² u, over all leaves
    together, γ is the `learning_rate` that follows, and c is `d_coef`.
    The estimate scales before the averages and after them, so it is one part.
    It remembers θ₀, and whatever else moves the weights counts as progress. (Mishchenko & Defazio 2023, algorithm 4.)
    """

    of_squares = second.nonnegative()

    def init(params: PyTree) -> Any:
        dtype = widest(params)
        slots = {"mean": moment.init(params), "second": of_squares.init(params), "sum": jax.tree.map(jnp.zeros_like, params)}
        return {"start": copied(params), **slots, "correlation": jnp.zeros((), dtype), "distance": jnp.asarray(d0, dtype)}

    def update(updates: PyTree, state: Any, params: PyTree) -> Any:
        d = state["distance"]
        x = bounded(scaled(updates, by=d))
        mean, of_mean = moment.update(x, state["mean"])
        squares, of_second = of_squares.update(squared(x), state["second"])
        kept, added = jnp.sqrt(matched(b2, d.dtype)), matched(learning_rate, d.dtype) * d
        total = weighted_sum(state["sum"], x, of_x=kept, of_y=added)
        correlation = kept * state["correlation"] + added * dot(x, difference(state["start"], params))
        grown = jnp.maximum(d, matched(d_coef, d.dtype) * ratio(correlation, taxicab_norm(total)))
        step = _step(mean, squares, distance=d, eps=eps)
        slots = {"mean": of_mean, "second": of_second, "sum": total}
        return step, {"start": state["start"], **slots, "correlation": correlation, "distance": grown}

    return init, update
