"""Adding updates to parameters."""

import jax
import jax.numpy as jnp

from gradtx._core.numerics import widened
from gradtx._core.trees import Boundary, is_trainable
from gradtx._core.types import PyTree


def apply_updates(params: PyTree, updates: PyTree) -> PyTree:
    """`params + updates`, added in float32 or wider and rounded once to the dtype of each parameter.

    Leaves that are not trained (None, integers, bools, keys) stay as they are. The trees must match leaf by leaf;
    nothing broadcasts.
    """
    boundary = Boundary(params, "parameters")
    leaves = boundary.check(updates, "updates")
    return boundary.structure.unflatten([_added(own, leaf) for own, leaf in zip(boundary.leaves, leaves, strict=True)])


def _added(param: PyTree, update: PyTree) -> PyTree:
    if not is_trainable(param):
        return param
    dtype = jnp.result_type(param)
    wide = jnp.promote_types(dtype, widened(dtype))
    return jax.lax.convert_element_type(jnp.asarray(param).astype(wide) + jnp.asarray(update).astype(wide), dtype)
