"""Protection against sudden large gradients."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.flow import Flow
from gradtx._core.numerics import averaged, global_norm, matched, next_step, widest
from gradtx._core.placement import varying_like
from gradtx._core.transformation import GradientTransformation, transformation
from gradtx._core.types import Decay, Positive, PyTree


@transformation
def skip_spikes(inner: GradientTransformation, factor: Positive = 5.0, decay: Decay = 0.99) -> Any:
    """Skip a step whose gradient norm is above `factor` times its running average, or not finite: u ← 0, else u ← inner(u).

    Nothing of a skipped step enters the state of `inner`, whose schedules wait. The average has `decay` and is debiased; a
    spike counts in it as `factor` times the average, so that a lasting rise is let through after some steps, and a NaN
    not at all. The first gradient is always taken if it is finite. Under `vmap` each member skips by itself. The norm is that of all leaves
    together. Skipping rare spikes keeps long runs of language models alive; no controlled comparison with clipping is known.
    """

    def init(params: PyTree) -> Any:
        dtype = widest(params)
        sums = {"norm": jnp.zeros((), dtype), "weight": jnp.zeros((), dtype), "taken": jnp.zeros((), jnp.int32)}
        return varying_like(params, {**sums, "inner": inner.init(params)})

    def update(updates: PyTree, state: Any, params: PyTree = None, *, flow: Flow) -> Any:
        dtype = state["norm"].dtype
        norm = global_norm(flow.gradient).astype(dtype)
        usual = state["norm"] / jnp.where(state["weight"] > 0, state["weight"], 1)
        bound = jnp.where(usual > 0, matched(factor, dtype) * usual, jnp.finfo(dtype).max)
        finite = jnp.isfinite(norm) & jnp.all(jnp.array([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(flow)], bool))
        usable = finite & (norm <= bound)

        def harmless(tree: PyTree) -> PyTree:
            return jax.tree.map(lambda leaf: jnp.where(usable, leaf, 0), tree)

        moved, inner_state = inner.carry(flow.map(harmless), state["inner"], params, step=state["taken"])
        new = {"taken": next_step(state["taken"]), "inner": inner_state}
        kept = jax.tree.map(lambda after, before: jnp.where(usable, after, before), new, {name: state[name] for name in new})
        seen = jnp.where(finite, matched(decay, dtype), 1)
        norms = averaged(state["norm"], jnp.where(finite, jnp.minimum(norm, bound), 0), decay=seen)
        weight = averaged(state["weight"], jnp.ones_like(norms), decay=seen)
        return moved.map(harmless), {**kept, "norm": norms, "weight": weight}

    def evaluate(params: PyTree, state: Any) -> PyTree:
        return inner.evaluate(params, state["inner"])

    return init, update, evaluate
