"""Protection against non-finite gradients."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.transformation import GradientTransformation, transformation
from gradtx._core.types import PyTree


@transformation
def skip_nonfinite(inner: GradientTransformation) -> Any:
    """Skip a step whose gradient has a NaN or infinity anywhere: u ← 0 and nothing of it enters the state, else u ← inner(u).

    The schedules of `inner` wait too: it counts its own steps, those taken. Under `vmap` each member skips by itself.
    """

    def init(params: PyTree) -> Any:
        return {"taken": jnp.zeros((), jnp.int32), "inner": inner.init(params)}

    def update(updates: PyTree, state: Any) -> Any:
        finite = jnp.all(jnp.array([jnp.all(jnp.isfinite(u)) for u in jax.tree.leaves(updates)], bool))
        harmless = jax.tree.map(lambda u: jnp.where(finite, u, 0), updates)
        moved, inner_state = inner.update(harmless, state["inner"], step=state["taken"], gradient=harmless)
        new = {"taken": state["taken"] + finite, "inner": inner_state}
        kept = jax.tree.map(lambda after, before: jnp.where(finite, after, before), new, state)
        return jax.tree.map(lambda u: jnp.where(finite, u, 0), moved), kept

    return init, update
