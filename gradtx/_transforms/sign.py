"""The sign of the updates."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.numerics import leafwise
from gradtx._core.transformation import stateless, transformation


@leafwise
def _signed(u: jax.Array) -> jax.Array:
    return jnp.sign(u)


@transformation
def sign() -> Any:
    """Keep only the sign: u ← sign(u), with sign(0) = 0. Steepest descent in the largest coordinate's norm."""
    return stateless(_signed)
