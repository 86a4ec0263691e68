"""Non-finite updates as zeros."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.numerics import leafwise
from gradtx._core.transformation import stateless, transformation


@leafwise
def _finite(u: jax.Array) -> jax.Array:
    return jnp.where(jnp.isfinite(u), u, 0)


@transformation
def zero_nonfinite() -> Any:
    """Replace NaN and infinity by zero: u ← u where finite, else 0.

    To skip the whole step instead, wrap the optimizer in `skip_nonfinite`.
    """
    return stateless(_finite)
