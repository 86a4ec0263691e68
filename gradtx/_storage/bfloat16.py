"""Two bytes for each number."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.rounding import stochastically_rounded
from gradtx._core.types import Key
from gradtx._storage.codec import Coding, codec


@codec
def bfloat16(stochastic: bool = False, key: Key = 0) -> Any:
    """Two bytes a number: the leading eight bits of it, rounded to nearest, or up and down by chance so that the mean is exact.

    Rounded to nearest, an average moves only where a step changes it by 0.2 to 0.4 %: with a decay of 0.999 it
    never falls. `stochastic=True` mends this. Its bits depend on `key`, the leaf's path and the step alone, so that a run is
    the same on any devices, under `vmap`, and resumed. Scalars stay wide. (Gupta et al. 2015, on stochastic rounding.)
    """

    def coding(nonnegative: bool) -> Coding:
        def encode(x: jax.Array, key: Any) -> dict[str, jax.Array]:
            return {"values": stochastically_rounded(x, jnp.bfloat16, key) if stochastic else x.astype(jnp.bfloat16)}

        def decode(parts: dict[str, jax.Array], like: jax.ShapeDtypeStruct) -> jax.Array:
            return parts["values"].astype(like.dtype)

        return Coding(lambda shape: len(shape) > 0, encode, decode, jax.random.fold_in(key, nonnegative) if stochastic else None)

    return coding
