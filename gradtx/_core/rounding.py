"""Rounding to half precision: up or down by chance, so that the mean is exact."""

import functools
from typing import Any

import jax
import jax.numpy as jnp


def rounded(x: jax.Array, dtype: Any) -> jax.Array:
    """The nearest number of `dtype`, a narrower one, in the dtype of x.

    To convert there and back would say the same, but XLA on a GPU takes the two conversions away, and what rounding cuts off with them.
    """
    wide, half = jnp.finfo(x.dtype), jnp.finfo(dtype)
    nearest = jax.lax.reduce_precision(x, wide.nexp, half.nmant)
    if wide.nexp == half.nexp:
        return nearest
    size, step = jnp.abs(nearest), float(half.smallest_subnormal)
    nearest = jnp.where(size < float(half.smallest_normal), jnp.round(x / step) * step, nearest)
    return jnp.where(size > float(half.max), jnp.sign(x) * jnp.inf, nearest)


def stochastically_rounded(x: jax.Array, dtype: Any, key: jax.Array) -> jax.Array:
    """One of the two neighbours of x in `dtype`, each with a probability that falls linearly with its distance."""
    return _rounded(x, jax.random.uniform(key, x.shape, x.dtype), dtype)


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def _rounded(x: jax.Array, chance: jax.Array, dtype: Any) -> jax.Array:
    wide = rounded(x, dtype)
    error, nearest = x - wide, wide.astype(dtype)
    other = jnp.nextafter(nearest, jnp.where(error > 0, jnp.inf, -jnp.inf).astype(dtype))
    gap = jnp.abs(other.astype(x.dtype) - wide)
    return jnp.where((chance * gap < jnp.abs(error)) & (error != 0) & jnp.isfinite(gap), other, nearest)


@_rounded.defjvp
def _rounded_jvp(dtype: Any, primals: tuple[jax.Array, jax.Array], tangents: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
    """The derivative of the mean, which is x."""
    return _rounded(*primals, dtype), tangents[0].astype(dtype)
