"""The plain mean of the parameters on the way, to evaluate at."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.flow import Flow
from gradtx._core.numerics import averaged, next_step, reached, widest
from gradtx._core.transformation import GradientTransformation, transformation
from gradtx._core.types import NonNegative, Positive, PyTree


@transformation(evaluates=True)
def uniform_average(inner: GradientTransformation, start: NonNegative = 1.0, every: Positive = 1.0) -> Any:
    """Keep the mean of the parameters after steps `start`, `start + every`, ...: m ← m + (θ − m) / n. Evaluate at m.

    Updates are those of `inner`. With the defaults it is the mean of all points but the first (Polyak & Juditsky 1992). With a late
    `start`, `every` an epoch and a learning rate that stays high or cycles, it is stochastic weight averaging (Izmailov et al. 2018,
    arXiv 1803.05407): wide minima for image models; statistics of batch normalisation must be taken anew at the mean. Before `start`,
    `eval_params` gives the parameters themselves. `start` and `every` count steps, and may be traced.
    """

    def init(params: PyTree) -> Any:
        slots = {"count": jnp.zeros((), jnp.int32), "until_next": jnp.zeros((), jnp.float32), "taken_in": jnp.zeros((), widest(params))}
        return {**slots, "average": jax.tree.map(jnp.zeros_like, params), "inner": inner.init(params)}

    def absorbed(params: PyTree, state: Any) -> dict[str, Any]:
        """The slots once the parameters after `count` steps were seen."""
        begun = reached(state["count"], start)
        due = begun & (state["until_next"] < 1)
        taken_in = state["taken_in"] + due.astype(state["taken_in"].dtype)
        keep = jnp.where(due, 1 - 1 / jnp.maximum(taken_in, 1), 1)
        waiting = jnp.where(due, jnp.asarray(every, jnp.float32), state["until_next"])
        mean = averaged(state["average"], params, decay=keep)
        return {"until_next": jnp.where(begun, waiting - 1, 0), "taken_in": taken_in, "average": mean}

    def update(updates: PyTree, state: Any, params: PyTree, *, flow: Flow) -> Any:
        moved, inner_state = inner.carry(flow, state["inner"], params)
        return moved, {**absorbed(params, state), "count": next_step(state["count"]), "inner": inner_state}

    def evaluate(params: PyTree, state: Any) -> PyTree:
        seen = absorbed(params, state)
        return jax.tree.map(lambda param, mean: jnp.where(seen["taken_in"] > 0, mean, param), params, seen["average"])

    return init, update, evaluate
