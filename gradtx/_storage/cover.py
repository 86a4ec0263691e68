"""One number for each row, each column, and so on for every axis."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._storage.codec import Coding, codec


def maxima(x: jax.Array) -> dict[str, jax.Array]:
    """For each axis the largest numbers over all others."""
    others = ([other for other in range(x.ndim) if other != axis] for axis in range(x.ndim))
    return {f"axis_{axis}": jnp.max(x, axis=rest) for axis, rest in enumerate(others)}


def covered(parts: dict[str, jax.Array], like: jax.ShapeDtypeStruct) -> jax.Array:
    """For each element the smallest of the maxima that it is under."""
    lowest = jnp.full(like.shape, jnp.inf, like.dtype)
    for axis in range(len(like.shape)):
        beside = [other for other in range(len(like.shape)) if other != axis]
        lowest = jnp.minimum(lowest, jnp.expand_dims(parts[f"axis_{axis}"], beside))
    return lowest


@codec
def cover() -> Any:
    """The largest number in each row, each column, each slice of every axis: x ≈ the smallest of those it is in, from above.

    For second moments alone, of leaves with two axes or more; first moments, vectors and scalars stay as they are. An n × m
    matrix takes n + m numbers. With `running_sum()` it is SM3, whose sums never shrink. (Anil et al. 2019, SM3-II.)
    """

    def coding(nonnegative: bool) -> Coding:
        return Coding(lambda shape: nonnegative and len(shape) > 1 and 0 not in shape, lambda x, key: maxima(x), covered)

    return coding
