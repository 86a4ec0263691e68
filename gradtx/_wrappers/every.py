"""A transformation that works at some steps only."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.flow import Flow
from gradtx._core.numerics import next_step, reached
from gradtx._core.transformation import GradientTransformation, transformation
from gradtx._core.types import Positive, PyTree


@transformation
def every(k: Positive, inner: GradientTransformation) -> Any:
    """Run `inner` at every `k`-th step, the first included, under `jax.lax.cond`: u ← inner(u), else 0.

    Between, nothing enters its state and the gradients are dropped; its schedules count its own steps. `accumulate` uses all gradients.
    Optax's conditionally_mask(inner, lambda step: step % k == 0), and its apply_every(k) is `accumulate(scale(k), k)`. `k` may be traced.
    """

    def init(params: PyTree) -> Any:
        return {"count": jnp.zeros((), jnp.int32), "taken": jnp.zeros((), jnp.int32), "inner": inner.init(params)}

    def update(updates: PyTree, state: Any, params: PyTree = None, *, flow: Flow) -> Any:
        def run() -> tuple[Flow, Any]:
            moved, inner_state = inner.carry(flow, state["inner"], params, step=state["taken"])
            return moved, {"taken": next_step(state["taken"]), "inner": inner_state}

        def wait() -> tuple[Flow, Any]:
            return jax.eval_shape(run)[0].at_rest(updates), {"taken": state["taken"], "inner": state["inner"]}

        moved, new = jax.lax.cond(state["count"] == 0, run, wait)
        return moved, {**new, "count": jnp.where(reached(state["count"] + 1, k), 0, state["count"] + 1)}

    def evaluate(params: PyTree, state: Any) -> PyTree:
        return inner.evaluate(params, state["inner"])

    return init, update, evaluate
