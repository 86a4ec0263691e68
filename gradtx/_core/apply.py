"""Adding updates to parameters."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.numerics import widened
from gradtx._core.random import leaf_key
from gradtx._core.rounding import stochastically_rounded
from gradtx._core.trees import Boundary, is_trainable
from gradtx._core.types import PyTree


def apply_updates(params: PyTree, updates: PyTree, key: jax.Array | None = None) -> PyTree:
    """`params + updates`, added in float32 or wider and rounded once to the dtype of each parameter.

    With a `key`, a new one for each step, parameters in half precision are rounded stochastically: up or down with the
    probabilities that make the mean exact, so that updates below half a spacing add up instead of being lost. Leaves that
    are not trained (None, integers, bools, keys) stay as they are. The trees must match leaf by leaf; nothing broadcasts.
    """
    boundary = Boundary(params, "parameters", "apply_updates")
    leaves = boundary.check(updates, "updates")
    moved = [
        _added(own, leaf, None if key is None else leaf_key(key, path))
        for path, own, leaf in zip(boundary.paths, boundary.leaves, leaves, strict=True)
    ]
    return boundary.structure.unflatten(moved)


def _added(param: Any, update: Any, key: jax.Array | None) -> Any:
    if not is_trainable(param):
        return param
    dtype = jnp.result_type(param)
    wide = dtype if jnp.issubdtype(dtype, jnp.complexfloating) else widened(dtype)
    total = jnp.asarray(param).astype(wide) + jnp.asarray(update).astype(wide)
    if key is None or dtype == wide:
        return jax.lax.convert_element_type(total, dtype)
    return stochastically_rounded(total, dtype, key)
