"""Four bits for each number."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._storage.blocks import normalized, of_size, over, spread
from gradtx._storage.codec import Coding, check_sizes, codec
from gradtx._storage.cover import covered, maxima
from gradtx._storage.dynamic_code import decoded, encoded

BITS = 4


def _packed(codes: jax.Array) -> jax.Array:
    """Two codes in each byte, neighbours along the last axis."""
    even = jnp.pad(codes, [(0, 0)] * (codes.ndim - 1) + [(0, codes.shape[-1] % 2)])
    pairs = even.reshape(*codes.shape[:-1], -1, 2)
    return pairs[..., 0] | (pairs[..., 1] << BITS)


def _unpacked(packed: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    pairs = jnp.stack([packed & 15, packed >> BITS], axis=-1)
    return pairs.reshape(*packed.shape[:-1], -1)[..., : shape[-1]]


@codec(check=check_sizes)
def int4(block: int = 128, smallest: int = 4096) -> Any:
    """Half a byte a number: first moments in the dynamic tree code with a scale for each block, second ones in sixteenths of a cover.

    `block` elements of a first moment, counted along the last axis first, share their largest magnitude. A second
    moment is (code + 1) / 16 of the smaller one of its row's and its column's largest number (of every axis's; a vector
    has blocks), and so never zero where the two are not. Leaves of fewer than `smallest` elements and scalars stay wide.
    (Li et al. 2023, "Memory Efficient Optimizers with 4-bit States", sections 3 and 4.)
    """

    def coding(nonnegative: bool) -> Coding:
        def encode(x: jax.Array, key: Any) -> dict[str, jax.Array]:
            if not nonnegative:
                relative, scales = normalized(x, block)
                return {"codes": _packed(encoded(relative, BITS, signed=True)), "scales": scales}
            if x.ndim == 1:
                relative, scales = normalized(x, block)
                return {"codes": _packed(_sixteenths(relative)), "scales": scales}
            scales = maxima(x)
            return {"codes": _packed(_sixteenths(over(x, covered(scales, jax.ShapeDtypeStruct(x.shape, x.dtype))))), **scales}

        def decode(parts: dict[str, jax.Array], like: jax.ShapeDtypeStruct) -> jax.Array:
            codes = _unpacked(parts["codes"], like.shape)
            scale = spread(parts["scales"], like.shape, block) if "scales" in parts else covered(parts, like)
            return scale * ((codes.astype(like.dtype) + 1) / 16 if nonnegative else decoded(codes, BITS, True, like.dtype))

        return Coding(of_size(smallest), encode, decode)

    return coding


def _sixteenths(relative: jax.Array) -> jax.Array:
    """The nearest of 1/16, 2/16, ... 1, as a code from 0 to 15."""
    return (jnp.clip(jnp.round(relative * 16), 1, 16) - 1).astype(jnp.uint8)
