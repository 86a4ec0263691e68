"""Updates as large as the weights of their layer."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.numerics import global_norm, leafwise
from gradtx._core.selection import Where
from gradtx._core.transformation import stateless, transformation
from gradtx._core.types import Positive, PyTree


@leafwise
def _trusted(u: jax.Array, param: jax.Array, *, coefficient: Any, low: Any, high: Any) -> jax.Array:
    of_param, of_update = global_norm(param), global_norm(u)
    size = of_param if low is None else jnp.maximum(of_param, low)
    size = size if high is None else jnp.minimum(size, high)
    usable = (of_param > 0) & (of_update > 0)
    return jnp.where(usable, u / jnp.where(usable, of_update, 1) * (coefficient * size), u)


@transformation
def scale_by_trust_ratio(
    trust_coefficient: Positive = 1.0,
    where: Where = None,
    *,
    min_norm: Positive | None = None,
    max_norm: Positive | None = None,
) -> Any:
    """Make the updates of each leaf as large as its weights: u ← c φ(‖θ‖) u / ‖u‖; unchanged where a norm is 0.

    φ keeps ‖θ‖ within `min_norm` and `max_norm`, where given. The norms are Euclidean over the leaf, so a stack of
    layers in one leaf counts as one. `where` chooses the leaves; biases and norms are often left out. Before the
    learning rate. (You et al. 2019, arXiv 1904.00962, algorithm 2.)
    """

    def apply(updates: PyTree, params: PyTree) -> PyTree:
        def of_leaf(u: jax.Array, param: jax.Array, inside: bool) -> jax.Array:
            return _trusted(u, param, coefficient=trust_coefficient, low=min_norm, high=max_norm) if inside else u

        return jax.tree.map(of_leaf, updates, params, where(params))

    return stateless(apply)
