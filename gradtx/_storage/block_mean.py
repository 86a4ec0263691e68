"""One mean for many numbers."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._storage.codec import Coding, codec


def _check(axes: Any) -> None:
    if axes is not None and (not axes or len(set(axes)) < len(axes)):
        raise ValueError(f"axes must be different axes, at least one, or None for all of them, got {axes}.")


@codec(check=_check)
def block_mean(axes: tuple[int, ...] | None = None) -> Any:
    """The mean over `axes`, all of them if None: x ≈ mean(x), read as stored.

    For second moments alone: those elements share one learning rate. `axes=(-1,)` keeps one number for each row,
    `(0,)` one for each column of a matrix; leaves without these axes, scalars and first moments stay as they are. With
    `adamw` it is Adam-mini for leaves whose blocks are rows, or columns; None has one number for a leaf, as NovoGrad.
    (Zhang et al. 2024, "Adam-mini"; Kalra et al. 2025, "SlimAdam", on the choice of axes.)
    """

    def coding(nonnegative: bool) -> Coding:
        def fits(shape: tuple[int, ...]) -> bool:
            there = axes is None or all(-len(shape) <= axis < len(shape) for axis in axes)
            return nonnegative and there and len(shape) > 0 and 0 not in shape

        def encode(x: jax.Array, key: Any) -> dict[str, jax.Array]:
            return {"means": jnp.mean(x, axis=axes)}

        def decode(parts: dict[str, jax.Array], like: jax.ShapeDtypeStruct) -> jax.Array:
            over = range(len(like.shape)) if axes is None else axes
            return jnp.broadcast_to(jnp.expand_dims(parts["means"], tuple(over)), like.shape)

        return Coding(fits, encode, decode, read_back=True)

    return coding
