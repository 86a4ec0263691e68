"""A factor that shrinks when the loss no longer does."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.numerics import matched, next_step, reached, scaled, widest
from gradtx._core.transformation import transformation
from gradtx._core.types import Fraction, NonNegative, Positive, PyTree


@transformation
def reduce_on_plateau(
    factor: Fraction = 0.1,
    patience: Positive = 10.0,
    rtol: Fraction = 1e-4,
    atol: NonNegative = 0.0,
    cooldown: NonNegative = 0.0,
    accumulation_size: Positive = 1.0,
    min_scale: NonNegative = 0.0,
) -> Any:
    """Multiply the updates by a number that falls when the loss stalls: u ← c u, c ← max(c · factor, min_scale), from c = 1.

    Write it behind any optimizer: `chain(adam(1e-3), reduce_on_plateau())`, and pass the extra `value`, the loss. The mean of
    `accumulation_size` values is one observation. It improves on the best so far if it is below (1 − rtol) best − atol; `patience`
    observations
    in a row without that shrink c, and the next `cooldown` ones count for nothing. A NaN is no improvement. The numbers are Optax's;
    PyTorch's `ReduceLROnPlateau` waits for one more: its patience p is p + 1 here. A loss below zero wants `atol` alone, with `rtol=0`.
    """

    def init(params: PyTree) -> Any:
        dtype, count = widest(params), jnp.zeros((), jnp.int32)
        numbers = {"scale": jnp.ones((), dtype), "best": jnp.full((), jnp.inf, dtype), "sum": jnp.zeros((), dtype)}
        return {**numbers, "seen": count, "stalled": count, "resting": count}

    def observed(state: Any, mean: jax.Array) -> Any:
        dtype, best = mean.dtype, state["best"]
        better = mean < (1 - matched(rtol, dtype)) * best - matched(atol, dtype)
        resting = state["resting"] > 0
        stalled = jnp.where(better | resting, 0, next_step(state["stalled"]))
        due = ~resting & reached(stalled, patience)
        shrunk = jnp.maximum(state["scale"] * matched(factor, dtype), matched(min_scale, dtype))
        return {
            "scale": jnp.where(due, shrunk, state["scale"]),
            "best": jnp.where(better, mean, best),
            "sum": jnp.zeros_like(mean),
            "seen": jnp.zeros_like(state["seen"]),
            "stalled": jnp.where(due, 0, stalled),
            "resting": jnp.where(due, jnp.asarray(cooldown).astype(jnp.int32), jnp.maximum(state["resting"] - 1, 0)),
        }

    def update(updates: PyTree, state: Any, params: PyTree = None, *, value: Any) -> Any:
        dtype = state["sum"].dtype
        seen, total = next_step(state["seen"]), state["sum"] + jnp.asarray(value).astype(dtype)
        waiting = {**state, "seen": seen, "sum": total}
        complete = reached(seen, accumulation_size)
        state = jax.tree.map(lambda new, old: jnp.where(complete, new, old), observed(state, total / seen.astype(dtype)), waiting)
        return scaled(updates, by=state["scale"]), state

    return init, update
