"""A bound on every element."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.numerics import leafwise
from gradtx._core.transformation import stateless, transformation
from gradtx._core.types import Positive


@leafwise
def _clipped(u: jax.Array, *, bound: Any) -> jax.Array:
    return jnp.clip(u, -bound, bound)


@transformation
def clip(max_delta: Positive) -> Any:
    """Bound every element: u ← min(max(u, −c), c). `max_delta` c > 0. It changes the direction; `clip_by_global_norm` does not."""
    return stateless(lambda updates: _clipped(updates, bound=max_delta))
