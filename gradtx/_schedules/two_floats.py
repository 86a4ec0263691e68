"""Numbers in twice the precision of their type: pairs of a float and of what rounding took from it.

Every product that matters here is exact, so that a compiler which fuses it with a sum changes nothing.
"""

from typing import Any, TypeAlias

import jax
import jax.numpy as jnp

TwoFloats: TypeAlias = tuple[Any, Any]


def two_sum(a: Any, b: Any) -> TwoFloats:
    """a + b, rounded, and the error of that. (Knuth, The Art of Computer Programming 2, section 4.2.2.)"""
    total = a + b
    of_b = total - a
    return total, (a - (total - of_b)) + (b - of_b)


def halves(a: jax.Array) -> TwoFloats:
    """`a` as a sum of two numbers with half of its bits each, whose products with other halves are exact."""
    bits = jnp.finfo(a.dtype)
    high = jax.lax.reduce_precision(a, bits.nexp, (bits.nmant - 1) // 2)
    return high, a - high


def added(x: TwoFloats, y: TwoFloats) -> TwoFloats:
    total, error = two_sum(x[0], y[0])
    return two_sum(total, error + (x[1] + y[1]))


def multiplied(x: TwoFloats, y: TwoFloats) -> TwoFloats:
    (a, b), (c, d) = halves(x[0]), halves(y[0])
    middle, of_middle = two_sum(a * d, b * c)
    total, error = two_sum(a * c, middle)
    return two_sum(total, error + (of_middle + (b * d + (x[0] * y[1] + x[1] * y[0]))))
