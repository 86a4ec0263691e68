"""A bound on how fast updates grow."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.numerics import global_norm, leafwise
from gradtx._core.transformation import transformation
from gradtx._core.types import Positive, PyTree


@leafwise
def _norm(u: jax.Array) -> jax.Array:
    return global_norm(u)


@leafwise
def _shrink(norm: jax.Array, before: jax.Array, *, factor: Any) -> jax.Array:
    """By how much to shrink a leaf of this norm; not at all behind a norm of zero."""
    bound = factor * before
    return jnp.where((before > 0) & (norm > bound), bound / jnp.where(norm > 0, norm, 1), 1)


@leafwise
def _times(u: jax.Array, by: jax.Array) -> jax.Array:
    return u * by


@transformation
def limit_norm_growth(factor: Positive) -> Any:
    """Shrink each leaf whose norm is more than `factor` times that of the step before: u ← u min(1, γ ‖u before‖ / ‖u‖).

    It tames a first gradient of a new kind without a bound on size. (Fira: Chen et al. 2024, arXiv 2410.01623, section 4.2, with γ = 1.01.)
    """

    def init(params: PyTree) -> Any:
        return {"norm": jax.tree.map(lambda p: jnp.zeros((), p.dtype), params)}

    def update(updates: PyTree, state: Any) -> Any:
        norm = _norm(updates)
        shrink = _shrink(norm, state["norm"], factor=factor)
        return _times(updates, shrink), {"norm": _times(norm, shrink)}

    return init, update
