"""Rounding to half precision: up or down by chance, so that the mean is exact."""

from typing import Any

import jax
import jax.numpy as jnp


def stochastically_rounded(x: jax.Array, dtype: Any, key: jax.Array) -> jax.Array:
    """One of the two neighbours of x in `dtype`, each with a probability that falls linearly with its distance."""
    nearest = x.astype(dtype)
    error = x - nearest.astype(x.dtype)
    other = jnp.nextafter(nearest, jnp.where(error > 0, jnp.inf, -jnp.inf).astype(dtype))
    gap = jnp.abs(other.astype(x.dtype) - nearest.astype(x.dtype))
    taken = jax.random.uniform(key, x.shape, x.dtype) * gap < jnp.abs(error)
    return jnp.where(taken & (error != 0) & jnp.isfinite(gap), other, nearest)
