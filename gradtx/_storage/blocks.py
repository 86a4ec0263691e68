"""Blocks of an array that share one scale, laid along its axes so that a sharded array keeps its shards."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp


def extents(shape: tuple[int, ...], block: int) -> tuple[int, ...]:
    """How far a block of at most `block` elements reaches along each axis: along the last one first, in equal pieces."""
    reach: list[int] = []
    for size in reversed(shape):
        pieces = -(-size // max(block, 1))
        reach.append(-(-size // pieces) if pieces else 1)
        block //= max(reach[-1], 1)
    return tuple(reversed(reach))


def of_size(smallest: int) -> Callable[[tuple[int, ...]], bool]:
    """Whether an array is no scalar and has `smallest` elements at least: below, a scale costs more than it saves."""
    return lambda shape: len(shape) > 0 and math.prod(shape) >= max(smallest, 1)


def normalized(x: jax.Array, block: int) -> tuple[jax.Array, jax.Array]:
    """x divided by the largest magnitude in its block, in [-1, 1], and those magnitudes, one for each block."""
    reach = extents(x.shape, block)
    scales = _largest(jnp.abs(x), reach)
    return over(x, spread(scales, x.shape, block)), scales


def over(x: jax.Array, scale: jax.Array) -> jax.Array:
    """x / scale, 0 where the scale is 0."""
    return x / jnp.where(scale == 0, 1, scale)


def _largest(x: jax.Array, reach: tuple[int, ...]) -> jax.Array:
    padded = jnp.pad(x, [(0, -size % far) for size, far in zip(x.shape, reach, strict=True)])
    split = [part for size, far in zip(padded.shape, reach, strict=True) for part in ((size // far, far) if far > 1 else (size,))]
    places = [far > 1 for far in reach]
    inner = [k + sum(places[: k + 1]) for k in range(x.ndim) if places[k]]
    return jnp.max(padded.reshape(split), axis=inner)


def spread(scales: jax.Array, shape: tuple[int, ...], block: int) -> jax.Array:
    """The scale of each element of an array of this shape."""
    wide = scales
    for axis, far in enumerate(extents(shape, block)):
        if far > 1:
            wide = jnp.repeat(wide, far, axis=axis)
    return wide[tuple(slice(size) for size in shape)] if wide.shape != shape else wide
