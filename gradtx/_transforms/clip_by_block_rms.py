"""A bound on the root mean square of each leaf."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.numerics import leafwise, root
from gradtx._core.transformation import stateless, transformation
from gradtx._core.types import Positive


@leafwise
def _bounded(u: jax.Array, *, threshold: Any) -> jax.Array:
    mean_square = jnp.mean(jnp.square(u)) if u.size else jnp.zeros((), u.dtype)
    return u * (threshold / jnp.maximum(root(mean_square), threshold))


@transformation
def clip_by_block_rms(threshold: Positive) -> Any:
    """Shrink each leaf so that its root mean square is at most `threshold`: u ← u · c / max(rms(u), c). (Shazeer & Stern 2018.)"""
    return stateless(lambda updates: _bounded(updates, threshold=threshold))
