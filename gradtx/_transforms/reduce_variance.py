"""Gradients corrected by how they changed since the last step."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.numerics import leafwise
from gradtx._core.transformation import transformation
from gradtx._core.types import Decay, NonNegative, PyTree


@leafwise
def _corrected(x: jax.Array, previous: jax.Array, *, decay: Any, gamma: Any) -> jax.Array:
    return x + gamma * (decay / (1 - decay)) * (x - previous)


@transformation
def reduce_variance(decay: Decay, gamma: NonNegative) -> Any:
    """Add the change since the last step, in front of a momentum: u ← u + γ β / (1 − β) (u − u₋₁), nothing at the first step.

    `decay` β is that of the momentum behind it; γ = 1 makes the momentum STORM's, γ = 0.025 is the authors' choice. The
    change is between gradients of two batches, the cheap form that the paper calls approximate; the exact one takes
    both gradients on the same batch. (Yuan et al. 2024, arXiv 2411.10438, algorithm 1.)
    """

    def init(params: PyTree) -> Any:
        return {"previous": jax.tree.map(jnp.zeros_like, params)}

    def update(updates: PyTree, state: Any, params: PyTree = None, *, step: jax.Array) -> Any:
        previous = jax.tree.map(lambda u, old: jnp.where(step == 0, u, old), updates, state["previous"])
        return _corrected(updates, previous, decay=decay, gamma=gamma), {"previous": updates}

    return init, update
