"""A bound on the norm of each leaf."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.numerics import global_norm, leafwise
from gradtx._core.transformation import stateless, transformation
from gradtx._core.types import Positive


@leafwise
def _bounded(u: jax.Array, *, bound: Any) -> jax.Array:
    return u * (bound / jnp.maximum(global_norm(u), bound))


@transformation
def clip_by_block_norm(max_norm: Positive) -> Any:
    """Shrink each leaf by itself so that its norm is at most `max_norm`: u ← u · c / max(‖u‖, c).

    It changes the direction of the whole, which `clip_by_global_norm` does not, and keeps one wild leaf from shrinking
    the others.
    """
    return stateless(lambda updates: _bounded(updates, bound=max_norm))
