"""A bound on the norm of all updates together."""

from typing import Any

import jax.numpy as jnp

from gradtx._core.numerics import global_norm, matched, scaled
from gradtx._core.transformation import stateless, transformation
from gradtx._core.types import Positive, PyTree


@transformation
def clip_by_global_norm(max_norm: Positive) -> Any:
    """Shrink all updates by one factor so that their norm is at most `max_norm`: u ← u · c / max(‖u‖, c).

    The norm is Euclidean over all leaves together. One scalar multiplies every leaf, so the clipped tree never exists
    in memory; where that scalar is too small for a number (in float32 at a norm of 8·10³⁷ c), the updates are zero. (Pascanu et al. 2013.)
    """

    def apply(updates: PyTree) -> PyTree:
        norm = global_norm(updates)
        bound = matched(max_norm, norm.dtype)
        return scaled(updates, by=bound / jnp.maximum(norm, bound))

    return stateless(apply)
