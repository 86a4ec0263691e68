"""Eight bits for each number."""

from typing import Any

import jax

from gradtx._storage.blocks import normalized, of_size, spread
from gradtx._storage.codec import Coding, check_sizes, codec
from gradtx._storage.dynamic_code import decoded, encoded

BITS = 8


@codec(check=check_sizes)
def int8(block: int = 256, smallest: int = 4096) -> Any:
    """One byte a number, in the dynamic tree code, and a scale for each block: x ≈ max|x| · code.

    `block` elements, counted along the last axis first, share their largest magnitude as the scale. The code spans
    seven decades, and is off by at most 7 % of a number in the highest one (3.5 % without a sign), and more in each
    lower one. That of a second moment has no sign and no zero: it stays at 1e-7 of its block's largest or more, so that
    no update is divided by epsilon alone. Leaves of fewer than `smallest` elements and scalars stay wide. Where the last
    axis is sharded, choose blocks that divide a shard. (Dettmers et al. 2021, sections 2.1 to 2.3, with blocks of 2048.)
    """

    def coding(nonnegative: bool) -> Coding:
        def encode(x: jax.Array, key: Any) -> dict[str, jax.Array]:
            relative, scales = normalized(x, block)
            return {"codes": encoded(relative, BITS, not nonnegative), "scales": scales}

        def decode(parts: dict[str, jax.Array], like: jax.ShapeDtypeStruct) -> jax.Array:
            return decoded(parts["codes"], BITS, not nonnegative, like.dtype) * spread(parts["scales"], like.shape, block)

        return Coding(of_size(smallest), encode, decode)

    return coding
