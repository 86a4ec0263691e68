"""A bound on the root mean square of each leaf."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.numerics import global_norm, leafwise
from gradtx._core.transformation import stateless, transformation
from gradtx._core.types import Positive


@leafwise
def _bounded(u: jax.Array, *, threshold: Any) -> jax.Array:
    rms = global_norm(u) / max(u.size, 1) ** 0.5
    return u * (threshold / jnp.maximum(rms, threshold))


@transformation
def clip_by_block_rms(threshold: Positive) -> Any:
    """Shrink each leaf so that its root mean square is at most `threshold`: u ← u · c / max(rms(u), c). (Shazeer & Stern 2018.)"""
    return stateless(lambda updates: _bounded(updates, threshold=threshold))
