"""Division by the root of a second moment, and the places epsilon may take in it."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.numerics import cut_off, leafwise, power, root


@leafwise
def divided_by_root(u: jax.Array, v: jax.Array, *, eps: Any, eps_root: Any, floor: Any, exponent: Any) -> jax.Array:
    """u / max((v + eps_root)ᵖ + eps, floor); None leaves a term out, and p is ½ unless given."""
    inside = v if eps_root is None else v + eps_root
    below = root(inside) if exponent is None else power(inside, exponent)
    below = below if eps is None else below + eps
    return cut_off(u) / (below if floor is None else jnp.maximum(below, floor))
