"""Schedule-free learning: averaging in the place of a schedule."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.flow import Flow
from gradtx._core.numerics import leafwise, power, widest
from gradtx._core.transformation import GradientTransformation, transformation
from gradtx._core.types import LearningRate, NonNegative, OpenDecay, PyTree


@leafwise
def _average(y: jax.Array, z: jax.Array, *, b1: Any) -> jax.Array:
    return (y - (1 - b1) * z) / b1


@leafwise
def _moved(y: jax.Array, x: jax.Array, z: jax.Array, *, b1: Any, c: Any) -> jax.Array:
    return (1 - b1) * z + b1 * (x + c * (z - x)) - y


@transformation(evaluates=True, stands="last")
def schedule_free(inner: GradientTransformation, learning_rate: LearningRate, b1: OpenDecay = 0.9, weight_power: NonNegative = 2.0) -> Any:
    """Train at y = (1 − β) z + β x, where z takes the steps of `inner` and x is their weighted average: no schedule needs an end.

    z ← z + inner(∇f(y)); x ← (1 − c) x + c z with c = w / Σ w, w the largest learning rate so far to the `weight_power`.
    The parameters are y; `eval_params` gives x, and evaluation must use it. `learning_rate` is that of `inner`, with
    its warmup and without a decay; `inner` has no momentum, which `b1` β replaces, and its weight decay acts on y. Nothing else may
    move the parameters: make it the outermost part. It remembers z beside the state of `inner`; x = (y − (1 − β) z) / β.
    (Defazio et al. 2024, arXiv 2405.15682, algorithm 1; `schedule_free_adamw` is the optimizer that won AlgoPerf's self-tuning track.)
    """

    def init(params: PyTree) -> Any:
        dtype = widest(params)
        sums = {"largest": jnp.zeros((), dtype), "weights": jnp.zeros((), dtype), "b1": jnp.ones((), dtype)}
        return {"z": jax.tree.map(jnp.copy, params), **sums, "inner": inner.init(params)}

    def update(updates: PyTree, state: Any, params: PyTree, *, flow: Flow) -> Any:
        dtype = state["weights"].dtype
        moved, inner_state = inner.carry(flow, state["inner"], params)
        largest = jnp.maximum(state["largest"], jnp.asarray(learning_rate, dtype))
        weight = power(largest, jnp.asarray(weight_power, dtype))
        weights = state["weights"] + weight
        c = weight / jnp.where(weights > 0, weights, 1)
        z = jax.tree.map(jnp.add, state["z"], moved.updates)
        before = jax.tree.map(jnp.subtract, z, moved.updates)  # from the new z, so that the old one may be overwritten
        x = _average(params, before, b1=state["b1"])
        fast = _moved(params, x, z, b1=b1, c=c)
        new = {"z": z, "largest": largest, "weights": weights, "b1": jnp.asarray(b1, dtype), "inner": inner_state}
        return moved.moved(fast), new

    def evaluate(params: PyTree, state: Any) -> PyTree:
        return _average(params, state["z"], b1=state["b1"])

    return init, update, evaluate
