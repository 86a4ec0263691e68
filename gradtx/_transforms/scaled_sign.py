"""The sign of the updates, at the mean of their sizes."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.numerics import leafwise
from gradtx._core.transformation import stateless, transformation


@leafwise
def _signed(u: jax.Array) -> jax.Array:
    return jnp.sign(u) * jnp.sum(jnp.abs(u) / max(u.size, 1))


@transformation
def scaled_sign() -> Any:
    """Keep only the signs of each leaf and its mean size: u ← mean|u| · sign(u).

    One bit for each weight. It is nearer to u than nothing is, so `error_feedback(scaled_sign())` converges where `sign()`
    may not. (Karimireddy et al. 2019, arXiv 1901.09847, algorithm 1.)
    """
    return stateless(_signed)
