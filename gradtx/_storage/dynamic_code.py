"""The dynamic tree code: a few bits whose leading zeros are a decimal exponent, the rest a linear fraction."""

import jax
import jax.numpy as jnp


def _decade(index: jax.Array, decades: int, dtype: jnp.dtype) -> jax.Array:
    """10^(e − decades + 1) for each e in `index`."""
    size = jnp.full(index.shape, 10.0 ** (1 - decades), dtype)
    for e in range(1, decades):
        size = jnp.where(index >= e, jnp.asarray(10.0 ** (e - decades + 1), dtype), size)
    return size


def encoded(x: jax.Array, bits: int, signed: bool) -> jax.Array:
    """The nearest code, a uint8, of each x in [-1, 1], or in [0, 1] where there is no sign.

    Decade e = 0, 1, ... holds 2ᵉ magnitudes, twice as many without a sign, at the middles of equal pieces of
    [10^(e−D), 10^(e−D+1)] with D = bits − 1 decades; 0 and 1 are there too. Without a sign the 0 is replaced by 10^−D,
    the lower end of the lowest decade.
    """
    decades, extra = bits - 1, 0 if signed else 1
    magnitude = jnp.abs(x)
    between = [_between_decades(e, decades, extra) for e in range(1, decades)]
    decade = sum((magnitude >= each).astype(jnp.int32) for each in between) + jnp.zeros(x.shape, jnp.int32)
    pieces = jnp.left_shift(jnp.int32(1), decade + extra)
    place = (magnitude / _decade(decade, decades, x.dtype) - 0.1) / 0.9 * pieces.astype(x.dtype)
    code = pieces + jnp.clip(jnp.floor(place).astype(jnp.int32), 0, pieces - 1)
    code = jnp.where(magnitude >= (1 + _last(decades, extra)) / 2, 1 << bits if signed else 1, code)
    code = jnp.where(magnitude < _lowest(decades, extra, signed), 0, code)
    if signed:
        sign = jnp.where((x < 0) & (code > 0), 1 << decades, 0)
        code = jnp.where(code == 1 << bits, jnp.where(x < 0, (1 << bits) - 1, 1 << decades), code + sign)
    return code.astype(jnp.uint8)


def _between_decades(e: int, decades: int, extra: int) -> float:
    """Half way between the largest number of decade e − 1 and the smallest of decade e."""
    pieces = 2.0 ** (e + extra)
    return 10.0 ** (e - decades) * (1 + 1.8 / pieces)


def _last(decades: int, extra: int) -> float:
    """The largest number below 1."""
    return 1 - 0.45 / 2.0 ** (decades - 1 + extra)


def _lowest(decades: int, extra: int, signed: bool) -> float:
    """Half way between the two smallest magnitudes."""
    first = 10.0 ** (1 - decades) * (0.1 + 0.45 / 2.0**extra)
    return (first + (0.0 if signed else 10.0**-decades)) / 2


def decoded(code: jax.Array, bits: int, signed: bool, dtype: jnp.dtype) -> jax.Array:
    """The number of each code."""
    decades, extra = bits - 1, 0 if signed else 1
    code = code.astype(jnp.int32)
    magnitude = code & ((1 << decades) - 1) if signed else code
    decade = sum((magnitude >= 1 << (e + extra)).astype(jnp.int32) for e in range(1, decades)) + jnp.zeros(code.shape, jnp.int32)
    pieces = jnp.left_shift(jnp.int32(1), decade + extra)
    fraction = ((magnitude - pieces).astype(dtype) + 0.5) / pieces.astype(dtype)
    x = _decade(decade, decades, dtype) * (0.1 + 0.9 * fraction)
    if signed:
        x = jnp.where(code > 1 << decades, -x, x)
        return jnp.where(code == 0, 0, jnp.where(code == 1 << decades, 1, x))
    return jnp.where(code == 0, jnp.asarray(10.0**-decades, dtype), jnp.where(code == 1, 1, x))
