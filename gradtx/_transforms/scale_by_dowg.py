"""A step size from the distance travelled and the gradients met, each weighted by the distance at its time."""

from typing import Any

import jax.numpy as jnp

from gradtx._core.numerics import matched, root, scaled, widest
from gradtx._core.transformation import transformation
from gradtx._core.types import Positive, PyTree
from gradtx._core.whole import bounded_norm, copied, distance


@transformation
def scale_by_dowg(initial_distance: Positive, eps: Positive) -> Any:
    """Multiply by the squared distance over the root of the weighted squares: u ← u · r̄² / (√(Σ r̄²‖u‖²) + eps).

    r̄ = max(`initial_distance`, max ‖θ − θ₀‖), both norms over all leaves together; the weight of a gradient is r̄² at its time.
    It remembers a copy of θ₀, so `init` wants the parameters that training starts from, and whatever else moves them counts as
    distance. (Khaled et al. 2023, algorithm 1.)
    """

    def init(params: PyTree) -> Any:
        dtype = widest(params)
        return {"start": copied(params), "distance": jnp.asarray(initial_distance, dtype), "root_sum": jnp.zeros((), dtype)}

    def update(updates: PyTree, state: Any, params: PyTree) -> Any:
        farthest = jnp.maximum(state["distance"], distance(params, state["start"]))
        norm, shrunk = bounded_norm(updates)
        before, now = state["root_sum"] / farthest, norm
        total = farthest * root(before**2 + now**2)
        factor = shrunk * farthest * (farthest / (total + matched(eps, total.dtype)))
        return scaled(updates, by=factor), {"start": state["start"], "distance": farthest, "root_sum": total}

    return init, update
