"""A step size from the distance travelled and the gradients met."""

from typing import Any

import jax.numpy as jnp

from gradtx._core.numerics import global_norm, matched, scaled, widest
from gradtx._core.transformation import transformation
from gradtx._core.types import Positive, PyTree
from gradtx._core.whole import bounded_norm, copied, distance


@transformation
def scale_by_dog(reps_rel: Positive, eps_root: Positive) -> Any:
    """Multiply by the largest distance from the start over the root of all squared gradients: u ← u · r̄ / √(Σ‖u‖² + eps_root).

    r̄ = max(r_ε, max ‖θ − θ₀‖), both norms over all leaves together; r_ε = `reps_rel` (1 + ‖θ₀‖) makes the first step.
    It remembers a copy of θ₀, so `init` wants the parameters that training starts from, and whatever else moves them, such as
    loading a checkpoint without the state, counts as distance. Within a mask or a group, the distance is that of its leaves.
    (Ivgi et al. 2023, equations 1 and 2.)
    """

    def init(params: PyTree) -> Any:
        first = matched(reps_rel, widest(params)) * (1 + global_norm(params))
        return {"start": copied(params), "distance": first, "sum": jnp.zeros((), widest(params))}

    def update(updates: PyTree, state: Any, params: PyTree) -> Any:
        farthest = jnp.maximum(state["distance"], distance(params, state["start"]))
        norm, shrunk = bounded_norm(updates)
        total = state["sum"] + norm**2
        factor = shrunk * farthest / jnp.sqrt(total + matched(eps_root, total.dtype))
        return scaled(updates, by=factor), {"start": state["start"], "distance": farthest, "sum": total}

    return init, update
