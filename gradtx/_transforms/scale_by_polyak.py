"""A step size from how far the loss is above its minimum."""

from typing import Any

import jax.numpy as jnp

from gradtx._core.numerics import global_norm, matched, scaled
from gradtx._core.transformation import stateless, transformation
from gradtx._core.types import Number, Positive, PyTree
from gradtx._core.whole import ratio


@transformation
def scale_by_polyak(f_min: Number, max_learning_rate: Positive) -> Any:
    """Multiply by the Polyak step size, bounded: u ← u · min((f − f_min) / ‖u‖², max_learning_rate), and by 0 where f < f_min.

    f is the extra `value`, the loss on the same batch; the norm is over all leaves together. `f_min` is the least value that
    the loss of a batch can have, 0 where a model can fit every example. (Polyak 1987; Loizou et al. 2020, equation 3.)
    """

    def apply(updates: PyTree, *, value: Any) -> PyTree:
        norm = global_norm(updates)
        gap = jnp.maximum(jnp.asarray(value).astype(norm.dtype) - matched(f_min, norm.dtype), 0)
        bound = matched(max_learning_rate, norm.dtype)
        return scaled(updates, by=jnp.minimum(ratio(ratio(gap, norm), norm), bound))

    return stateless(apply)
