"""The means of the rows and of the columns, whose product is the array."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._storage.codec import Coding, codec


def factored_axes(shape: tuple[int, ...]) -> tuple[int, int]:
    """The two longest axes, the last ones of those that are equally long; the shorter first."""
    *_, row, column = sorted(range(len(shape)), key=lambda axis: shape[axis])
    return row, column


@codec
def rank_one(smallest: int = 128) -> Any:
    """The mean of each row and of each column: x ≈ R C / mean(R), the statistic of Adafactor, which reads it as stored.

    For second moments alone, of leaves whose two longest axes have `smallest` indices or more each; all others, first
    moments among them, stay as they are. Along further axes each index has rows and columns of its own. An n × m matrix
    takes n + m numbers. (Shazeer & Stern 2018, algorithm 2; the limit of 128 as in its authors' code and Optax.)
    """

    def coding(nonnegative: bool) -> Coding:
        def fits(shape: tuple[int, ...]) -> bool:
            return nonnegative and len(shape) > 1 and 0 not in shape and shape[factored_axes(shape)[0]] >= smallest

        def encode(x: jax.Array, key: Any) -> dict[str, jax.Array]:
            row, column = factored_axes(x.shape)
            return {"rows": jnp.mean(x, axis=column), "columns": jnp.mean(x, axis=row)}

        def decode(parts: dict[str, jax.Array], like: jax.ShapeDtypeStruct) -> jax.Array:
            row, column = factored_axes(like.shape)
            rows, columns = jnp.expand_dims(parts["rows"], column), jnp.expand_dims(parts["columns"], row)
            mean = jnp.mean(rows, axis=row, keepdims=True)
            return rows / jnp.where(mean > 0, mean, 1) * columns

        return Coding(fits, encode, decode, read_back=True)

    return coding
