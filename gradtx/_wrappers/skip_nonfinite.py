"""Protection against non-finite gradients."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.flow import Flow
from gradtx._core.numerics import next_step
from gradtx._core.placement import varying_like
from gradtx._core.transformation import GradientTransformation, transformation
from gradtx._core.types import PyTree


@transformation
def skip_nonfinite(inner: GradientTransformation) -> Any:
    """Skip a step whose gradient has a NaN or infinity anywhere: u ← 0 and nothing of it enters the state, else u ← inner(u).

    The schedules of `inner` wait too: it counts its own steps, those taken. Parts behind it see a gradient of zeros at
    a skipped step. Under `vmap` each member skips by itself, and so does each shard within `jax.shard_map` whose gradients
    are its own; shards of one model that must skip together need gradients that are equal on all of them.
    """

    def init(params: PyTree) -> Any:
        return varying_like(params, {"taken": jnp.zeros((), jnp.int32), "inner": inner.init(params)})

    def update(updates: PyTree, state: Any, params: PyTree = None, *, flow: Flow) -> Any:
        finite = jnp.all(jnp.array([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(flow)], bool))

        def harmless(tree: PyTree) -> PyTree:
            return jax.tree.map(lambda leaf: jnp.where(finite, leaf, 0), tree)

        moved, inner_state = inner.carry(flow.map(harmless), state["inner"], params, step=state["taken"])
        new = {"taken": next_step(state["taken"]), "inner": inner_state}
        kept = jax.tree.map(lambda after, before: jnp.where(finite, after, before), new, state)
        return moved.map(harmless), kept

    def evaluate(params: PyTree, state: Any) -> PyTree:
        return inner.evaluate(params, state["inner"])

    return init, update, evaluate
