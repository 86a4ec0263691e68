"""Going on from Optax's Adam."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradtx import GradientTransformation
from gradtx._core.trees import is_trainable, path_name
from gradtx._core.types import PyTree
from gradtx.training._import_adam import AdamLeaf, Imported, imported
from gradtx.training._migrate import check_names


def from_optax(tx: GradientTransformation, params: PyTree, opt_state: PyTree, *, b1: float = 0.9, b2: float = 0.999) -> Imported:
    """The state of `tx` that goes on from Optax's Adam: from each ScaleByAdamState in `opt_state`, wherever in a chain it is.

    `b1` and `b2` are the decays that it was made with, which its state does not hold. `tx` may be any optimizer with Adam's
    averages, `adamw` or `soap` as well; its step is Optax's count. Of what else is in `opt_state`, nothing is read: schedules go by the
    step. Adamax keeps maxima in a ScaleByAdamState, which nothing tells apart from averages: do not give it. `.migration` says
    leaf by leaf what was carried and created.
    """
    check_names(params, "from_optax")
    found = [leaf for leaf in jax.tree.leaves(opt_state, is_leaf=_is_adam) if _is_adam(leaf)]
    if not found:
        raise ValueError("from_optax: there is no ScaleByAdamState in the state. Give what optax.adam(...).init or update returned.")
    fixed = {path_name(path) for path, leaf in jax.tree_util.tree_leaves_with_path(params) if not is_trainable(leaf)}
    leaves: dict[str, AdamLeaf] = {}
    for state in found:
        if np.ndim(state.count) != 0:
            raise ValueError("from_optax: the state is that of a batch of optimizers. Take one: jax.tree.map(lambda x: x[k], state).")
        seconds = dict(jax.tree_util.tree_leaves_with_path(state.nu))
        for path, first in jax.tree_util.tree_leaves_with_path(state.mu):
            name = path_name(path)
            if name in fixed:
                continue
            if name in leaves:
                raise ValueError(f"from_optax: two ScaleByAdamStates have averages of {name}. Give the one that is meant.")
            first, second = (jnp.asarray(x) for x in (first, seconds[path]))
            leaves[name] = AdamLeaf(_wide(first), _wide(second), int(state.count), b1, b2)
    return imported(tx, params, leaves, "from_optax")


def _is_adam(node: Any) -> bool:
    return type(node).__name__ == "ScaleByAdamState" and hasattr(node, "mu") and hasattr(node, "nu")


def _wide(array: Any) -> Any:
    return np.asarray(array.astype(jnp.float32) if array.dtype.itemsize < 4 else array)
