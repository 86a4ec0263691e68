"""A bound on how fast the norm of a leaf's updates grows."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.numerics import global_norm, leafwise
from gradtx._core.placement import scalar_beside
from gradtx._core.transformation import transformation
from gradtx._core.types import Positive, PyTree


@leafwise
def _norm(u: jax.Array) -> jax.Array:
    return global_norm(u)


@leafwise
def _within(u: jax.Array, norm: jax.Array, allowed: jax.Array) -> jax.Array:
    return jnp.where(norm > allowed, u / jnp.where(norm > allowed, norm, 1) * allowed, u)


@leafwise
def _allowed(norm: jax.Array, previous: jax.Array, *, growth: Any) -> jax.Array:
    return jnp.where(previous > 0, growth * previous, norm)


@leafwise
def _smaller(norm: jax.Array, allowed: jax.Array) -> jax.Array:
    return jnp.minimum(norm, allowed)


@transformation
def limit_norm_growth(max_growth: Positive = 1.01) -> Any:
    """Let the norm of each leaf's updates grow by at most a factor from step to step: u ← u · min(1, γ ‖u₋₁‖ / ‖u‖).

    `max_growth` γ. It takes spikes out of a loss where updates have no bound of their own, as with low-rank moments.
    The first updates, and those after updates of zero, are not bounded. (Fira: Chen et al. 2024, arXiv 2410.01623,
    section 4.2; Zhu et al. 2024, arXiv 2412.05270, equation 4, with γ = 1.01.)
    """

    def init(params: PyTree) -> Any:
        return {"norm": jax.tree.map(scalar_beside, params)}

    def update(updates: PyTree, state: Any) -> Any:
        norm = _norm(updates)
        allowed = _allowed(norm, state["norm"], growth=max_growth)
        return _within(updates, norm, allowed), {"norm": _smaller(norm, allowed)}

    return init, update
