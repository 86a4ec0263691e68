"""The mean of gradients of which each is bounded: what one example can change is bounded too."""

import typing
from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.kinds import is_schedule, shown, without_vmap
from gradtx._core.numerics import global_norm, matched, widened, widest
from gradtx._core.trees import is_trainable, path_name
from gradtx._core.types import Positive, PyTree


def per_example_clip_by_global_norm(gradients: PyTree, max_norm: Any) -> PyTree:
    """Shrink the gradient of each example to a norm of at most C, and take the mean: ḡ = Σᵢ gᵢ min(1, C / ‖gᵢ‖) / B.

    `gradients` are those of B examples, along the first axis of every leaf: `jax.vmap(jax.grad(loss), (None, 0))(params, batch)`. Norms
    are Euclidean over all leaves together, in float32 or wider. The result is a gradient for any optimizer. Replacing an
    example moves it by 2 C / B at most, which `dpsgd` covers with noise; without noise it bounds what outliers do.
    (Abadi et al. 2016, arXiv 1607.00133, algorithm 1.)
    """
    if is_schedule(max_norm):
        raise TypeError(
            f"per_example_clip_by_global_norm: max_norm must be a number, got {shown(max_norm)}. The value of a schedule at this step "
            "is in hyperparameters(tx, state)."
        )
    bound = typing.get_args(Positive)[1].accept(max_norm, "per_example_clip_by_global_norm: max_norm")
    if jnp.shape(bound):
        raise without_vmap(bound, "per_example_clip_by_global_norm: max_norm")
    trained = jax.tree.map(lambda leaf: leaf if is_trainable(leaf) else None, gradients)
    examples = _examples(trained)
    sizes = jax.tree.map(lambda leaf: jnp.abs(leaf).astype(widened(leaf.dtype)), trained)
    norms = jax.vmap(global_norm)(sizes)
    limit = matched(bound, widest(sizes))
    factors = limit / jnp.maximum(norms, limit) / examples

    def mean(leaf: Any) -> Any:
        if not is_trainable(leaf):
            return leaf[0]
        return jnp.tensordot(factors.astype(widened(leaf.dtype)), leaf, 1).astype(leaf.dtype)

    return jax.tree.map(mean, gradients)


def _examples(gradients: PyTree) -> int:
    """How many there are: the length of the first axis, which all leaves share."""
    leaves = jax.tree_util.tree_leaves_with_path(gradients)
    first = next((leaf.shape[0] for _, leaf in leaves if leaf.ndim), 0)
    for path, leaf in leaves:
        if leaf.ndim == 0 or leaf.shape[0] != first or first == 0:
            same = f", {first}," if first else ""
            raise ValueError(
                f"per_example_clip_by_global_norm: the leaf at {path_name(path)} has shape {tuple(leaf.shape)}, where the first axis "
                f"should be that of the examples, of one length{same} in all leaves. Write jax.vmap(jax.grad(loss), (None, 0))."
            )
    return max(first, 1)
