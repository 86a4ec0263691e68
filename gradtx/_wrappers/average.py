"""An exponentially weighted average of the parameters, to evaluate at."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.flow import Flow
from gradtx._core.numerics import averaged, divided, matched, next_step, widest
from gradtx._core.transformation import GradientTransformation, transformation
from gradtx._core.types import Decay, PyTree


@transformation(evaluates=True)
def average(inner: GradientTransformation, decay: Decay = 0.999) -> Any:
    """Keep an exponential average of the parameters beside the training of `inner`: m ← β m + (1 − β) θ, evaluated at m / (1 − βᵗ).

    Updates are those of `inner`. `eval_params(tx, params, state)` is the average of what training has reached after each step, the
    starting point left out; it is debiased, so that it is right from the first step on. `decay` averages over about 1/(1 − β) steps.
    What is averaged are the parameters that come in at the next step: rounding, decay and masks behind this part are in it.
    (Polyak & Juditsky 1992; language and diffusion models use 0.999 to 0.9999.)
    """

    def init(params: PyTree) -> Any:
        slots = {
            "count": jnp.zeros((), jnp.int32),
            "average": jax.tree.map(jnp.zeros_like, params),
            "weight": jnp.zeros((), widest(params)),
        }
        return {**slots, "inner": inner.init(params)}

    def absorbed(params: PyTree, state: Any, decay: Any) -> tuple[PyTree, jax.Array]:
        weight = averaged(state["weight"], jnp.ones_like(state["weight"]), decay=decay)
        return averaged(state["average"], params, decay=decay), weight

    def update(updates: PyTree, state: Any, params: PyTree, *, flow: Flow) -> Any:
        mean, weight = absorbed(params, state, jnp.where(state["count"] > 0, matched(decay, state["weight"].dtype), 1))
        moved, inner_state = inner.carry(flow, state["inner"], params)
        return moved, {"count": next_step(state["count"]), "average": mean, "weight": weight, "inner": inner_state}

    def evaluate(params: PyTree, state: Any) -> PyTree:
        mean, weight = absorbed(params, state, decay)
        return divided(mean, by=weight)

    return init, update, evaluate
