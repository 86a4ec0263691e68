"""Large batches out of micro-batches."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.flow import Flow
from gradtx._core.numerics import averaged, next_step, reached, widest
from gradtx._core.transformation import GradientTransformation, transformation
from gradtx._core.types import Positive, PyTree


@transformation
def accumulate(inner: GradientTransformation, k: Positive) -> Any:
    """Average the gradients of `k` micro-batches and run `inner` on the mean at the last one: u ← inner(Σ wᵢ gᵢ / Σ wᵢ), else 0.

    What Optax calls MultiSteps. `inner` runs at the last micro-step alone, under `jax.lax.cond`, which compiles to a conditional; its
    schedules count its own steps. The extra `examples` is the number of examples (or tokens) that a gradient is the mean over, so
    that ragged micro-batches give the mean over all of them exactly; without it they weigh the same. Pass it at every micro-step
    or at none. The mean is kept in float32 or wider. `k` may be traced, or a schedule over the micro-steps.
    Other extras reach `inner` as those of the last micro-batch. It opens a scope: `inner` sees the mean as its gradient. Under
    `vmap` both branches are computed. `chain(clip(1.0), accumulate(...))` clips each micro-batch, `accumulate(chain(clip(1.0), ...), k)`
    the mean.
    """

    def init(params: PyTree) -> Any:
        counts = {"count": jnp.zeros((), jnp.int32), "taken": jnp.zeros((), jnp.int32), "examples": jnp.zeros((), widest(params))}
        return {**counts, "mean": jax.tree.map(jnp.zeros_like, params), "inner": inner.init(params)}

    def update(updates: PyTree, state: Any, params: PyTree = None, *, flow: Flow, examples: Any = 1.0) -> Any:
        weight = jnp.asarray(examples, state["examples"].dtype)
        total = state["examples"] + weight
        share = weight / jnp.where(total > 0, total, 1)
        mean = averaged(state["mean"], updates, decay=1 - share)

        def run() -> tuple[Flow, Any]:
            moved, inner_state = inner.carry(Flow(mean, mean), state["inner"], params, step=state["taken"])
            empty = {"count": jnp.zeros((), jnp.int32), "examples": jnp.zeros_like(total), "mean": jax.tree.map(jnp.zeros_like, mean)}
            return moved, {**empty, "taken": next_step(state["taken"]), "inner": inner_state}

        def wait() -> tuple[Flow, Any]:
            return jax.eval_shape(run)[0].at_rest(mean), {**state, "count": state["count"] + 1, "examples": total, "mean": mean}

        moved, state = jax.lax.cond(reached(state["count"] + 1, k), run, wait)
        return flow.left(moved, moved.downhill) if flow.averaged else moved, state

    def evaluate(params: PyTree, state: Any) -> PyTree:
        return inner.evaluate(params, state["inner"])

    return init, update, evaluate
