"""LARS's rate of each layer."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.numerics import global_norm, leafwise
from gradtx._core.selection import Where
from gradtx._core.transformation import stateless, transformation
from gradtx._core.types import NonNegative, Positive, PyTree


@leafwise
def _scaled(g: jax.Array, param: jax.Array, *, coefficient: Any, weight_decay: Any) -> jax.Array:
    of_param, of_gradient = global_norm(param), global_norm(g)
    usable = (of_param > 0) & (of_gradient > 0)
    below = jnp.where(usable, of_gradient + weight_decay * of_param, 1)
    decayed = g + weight_decay * param
    return jnp.where(usable, decayed / below * (coefficient * of_param), decayed)


@transformation(uphill=True)
def scale_by_local_rate(trust_coefficient: Positive, weight_decay: NonNegative, where: Where = None) -> Any:
    """Decay, then scale each leaf by its local rate: u ← c ‖θ‖ / (‖u‖ + λ ‖θ‖) (u + λ θ); by 1 where a norm is 0.

    The two norms are added, so gradient and decay share one budget of c ‖θ‖ whatever the angle between them. That is
    why this is one part: `chain(add_decayed_weights(λ), scale_by_trust_ratio(c))` divides by the norm of the sum
    instead, as Optax does. Leaves that `where` leaves out neither decay nor are scaled. (You et al. 2017, arXiv
    1708.03888, algorithm 1; where a norm is 0 it says nothing.)
    """

    def apply(updates: PyTree, params: PyTree) -> PyTree:
        def of_leaf(u: jax.Array, param: jax.Array, inside: bool) -> jax.Array:
            return _scaled(u, param, coefficient=trust_coefficient, weight_decay=weight_decay) if inside else u

        return jax.tree.map(of_leaf, updates, params, where(params))

    return stateless(apply)
