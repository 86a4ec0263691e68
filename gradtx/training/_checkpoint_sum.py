"""A checksum of an array that is spread over devices: the same however it is spread, and no process needs all of it."""

import jax
import jax.numpy as jnp
import numpy as np

from gradtx._core.layouts import is_told

MIXERS = ((0x9E3779B1, 0x85EBCA77), (0xC2B2AE3D, 0x27D4EB2F))
"""Odd numbers that spread the places of words over all weights, two for each of two sums."""


def sum_of_bits(array: jax.Array) -> str:
    """Two sums modulo 2³² of the words of an array, each word times an odd weight of its place: one changed bit changes both."""
    return "".join(f"{int(np.asarray(total)):08x}" for total in _sums(array))


@jax.jit
def _sums(array: jax.Array) -> list[jax.Array]:
    words = _words(array)
    place = jnp.zeros((), jnp.uint32)
    for axis, size in enumerate(words.shape):
        place = place * np.uint32(size % 2**32) + jax.lax.broadcasted_iota(jnp.uint32, words.shape, axis, out_sharding=_sharding(words))
    return [jnp.sum(words * _weights(place, *mixers), dtype=jnp.uint32) for mixers in MIXERS]


def _sharding(words: jax.Array) -> jax.sharding.Sharding | None:
    """Where shardings are part of the types, what is made beside an array has to lie like it."""
    sharding = jax.typeof(words).sharding
    return sharding if is_told(sharding) else None


def _weights(place: jax.Array, first: int, second: int) -> jax.Array:
    mixed = (place + np.uint32(1)) * np.uint32(first)
    return ((mixed ^ (mixed >> np.uint32(15))) * np.uint32(second)) | np.uint32(1)


def _words(array: jax.Array) -> jax.Array:
    """The bits as words of 32; those of shorter numbers are filled up."""
    if jnp.issubdtype(array.dtype, jnp.complexfloating):
        return jnp.stack([_words(array.real), _words(array.imag)], axis=-1)
    if array.dtype == bool or (jnp.issubdtype(array.dtype, jnp.integer) and jnp.iinfo(array.dtype).bits < 8):
        return array.astype(jnp.uint32)
    word = {1: jnp.uint8, 2: jnp.uint16}.get(array.dtype.itemsize, jnp.uint32)
    return jax.lax.bitcast_convert_type(array, word).astype(jnp.uint32)
