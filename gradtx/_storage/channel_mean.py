"""One mean for each channel."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._storage.codec import Coding, codec


def _check(axes: Any) -> None:
    if not axes or len(set(axes)) < len(axes):
        raise ValueError(f"axes must be different axes, at least one, got {axes}.")


@codec(check=_check)
def channel_mean(axes: tuple[int, ...] = (-1,)) -> Any:
    """The mean over all axes but `axes`: x ≈ mean(x), one number for each index of those, read as stored.

    For second moments alone: the weights of a channel share one learning rate. `(-1,)` keeps one number for each output of
    kernels of shape (in, out) or (height, width, in, out), `(0,)` for (out, in) and for each word of an embedding, `(1,)` for
    each head of (in, heads, features), `(0, -1)` for each output of layers that are stacked in one leaf. Leaves without these
    axes or with no others, and first moments, stay as they are. (Zhang et al. 2024, arXiv 2406.16793, "Adam-mini".)
    """

    def others(shape: tuple[int, ...]) -> tuple[int, ...]:
        kept = {axis % len(shape) for axis in axes}
        return tuple(axis for axis in range(len(shape)) if axis not in kept)

    def coding(nonnegative: bool) -> Coding:
        def fits(shape: tuple[int, ...]) -> bool:
            there = all(-len(shape) <= axis < len(shape) for axis in axes)
            return nonnegative and there and 0 not in shape and len(others(shape)) > 0

        def encode(x: jax.Array, key: Any) -> dict[str, jax.Array]:
            return {"means": jnp.mean(x, axis=others(x.shape))}

        def decode(parts: dict[str, jax.Array], like: jax.ShapeDtypeStruct) -> jax.Array:
            return jnp.broadcast_to(jnp.expand_dims(parts["means"], others(like.shape)), like.shape)

        return Coding(fits, encode, decode, read_back=True)

    return coding
