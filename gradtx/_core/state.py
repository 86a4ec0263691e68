"""Whether a state is one that an optimizer can go on from: made by it, for trees like these, and in the types it was made with."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.kinds import shown
from gradtx._core.trees import is_array, path_name, structure_difference
from gradtx._core.types import PyTree

_ANEW = "Make a new one with init(params)"


def check_step(state: PyTree, part: str, order: str = "update(gradients, state, params)") -> None:
    """Make sure that the state is a dict that counts its steps; `order` is how the call is written."""
    if not isinstance(state, dict) or "step" not in state:
        given = f"a dict of {', '.join(map(str, state)) or 'nothing'}" if isinstance(state, dict) else type(state).__name__
        raise TypeError(f"{part}: the state must be what init(params) returned (a dict with 'step'), got {given}. The order is {order}.")
    step = state["step"]
    if not is_array(step) or not jnp.issubdtype(jnp.result_type(step), jnp.integer):
        raise TypeError(f"{part}: the state has {shown(step)} at step, where an integer counts the steps. {_ANEW}, or cast it to int32.")
    if jnp.shape(step) != ():
        raise ValueError(
            f"{part}: the state has {shown(step)} at step, where a scalar counts the steps. The state of a batch of optimizers "
            "is updated under jax.vmap, which hands each member its own."
        )


def check_entries(entries: PyTree, expected: PyTree, part: str, *, exact: bool) -> None:
    """Make sure that the entries of a state are as expected: structure, shapes and dtypes.

    The dtypes of arrays that are at least as wide as float32 may differ unless `exact`: without the parameters they are not known.
    """
    if jax.tree.structure(expected) != jax.tree.structure(entries):
        raise ValueError(
            f"{part}: the state belongs to another optimizer or to other parameters: {structure_difference(expected, entries)}. "
            f"{_ANEW}, or rename the entries if another version wrote them."
        )
    for (path, want), have in zip(jax.tree_util.tree_leaves_with_path(expected), jax.tree.leaves(entries), strict=True):
        name = path_name(path)
        if not is_array(have):
            given = "no value" if isinstance(have, jax.ShapeDtypeStruct) else shown(have)
            raise TypeError(f"{part}: the state has {given} at {name}, where an array of dtype {want.dtype} is kept. {_ANEW}.")
        if want.shape != jnp.shape(have):
            raise ValueError(
                f"{part}: the state has shape {jnp.shape(have)} at {name}, where these trees need {want.shape}. "
                f"It belongs to parameters of other shapes, or the gradient has another shape than they. {_ANEW}."
            )
        dtype = have.dtype if hasattr(have, "dtype") else jnp.result_type(have)
        dtype = dtype if jnp.issubdtype(dtype, jax.dtypes.extended) else jax.dtypes.canonicalize_dtype(dtype)
        if dtype != want.dtype and (exact or not (_is_wide(dtype) and _is_wide(want.dtype))):
            raise TypeError(
                f"{part}: the state has dtype {dtype} at {name}, where {want.dtype} is kept. {_ANEW}, "
                f"or cast it back: .astype({want.dtype})."
            )


def _is_wide(dtype: Any) -> bool:
    return jnp.issubdtype(dtype, jnp.floating) and jnp.finfo(dtype).bits >= 32
