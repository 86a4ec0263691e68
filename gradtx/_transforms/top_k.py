"""The largest elements of each leaf."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.layouts import placed, whole
from gradtx._core.matrices import gathered
from gradtx._core.numerics import leafwise
from gradtx._core.transformation import stateless, transformation
from gradtx._core.types import Fraction


@leafwise
def _largest(u: jax.Array, *, fraction: Any) -> jax.Array:
    seen = gathered(whole(u))
    sizes = jnp.sort(jnp.abs(seen).ravel())
    count = jnp.clip(jnp.ceil(fraction * u.size), 1, max(u.size, 1)).astype(jnp.int32)
    least = sizes[u.size - count] if u.size else jnp.zeros((), u.dtype)
    return placed(jnp.where(jnp.abs(seen) >= least, seen, 0), u)


@transformation
def top_k(fraction: Fraction) -> Any:
    """Keep the k largest elements of each leaf in size and set the others to 0: u ← u where |u| ≥ its k-th largest, k = ⌈fraction · size⌉.

    At least one element stays, and of equal ones all. What is left out is lost, unless `error_feedback(top_k(0.01))` sends
    it later. (Stich et al. 2018, "Sparsified SGD with Memory", arXiv 1809.07599.)
    """
    return stateless(lambda updates: _largest(updates, fraction=fraction))
