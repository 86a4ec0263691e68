"""Weight decay that keeps the gradients of normalised layers from growing as the learning rate falls."""

from typing import Any

import jax

from gradtx._core.numerics import leafwise
from gradtx._core.selection import Where
from gradtx._core.transformation import stateless, transformation
from gradtx._core.types import NonNegative, Positive, PyTree


@leafwise
def _decayed(u: jax.Array, param: jax.Array, *, weight_decay: Any, learning_rate: Any, largest: Any) -> jax.Array:
    return u + weight_decay * (learning_rate / largest) * param


@transformation(uphill=True)
def add_corrected_decayed_weights(
    weight_decay: NonNegative, learning_rate: NonNegative, max_learning_rate: Positive, where: Where = None
) -> Any:
    """Add the weights times a factor that falls with the learning rate: u ← u + λ (η / η_max) θ.

    Before the learning rate it makes decay of λ η² / η_max in all. Give it the schedule that the learning rate has, and the
    peak of that. `where` chooses the leaves: those that a normalisation follows. (Defazio 2025, algorithm 1.)
    """

    def apply(updates: PyTree, params: PyTree) -> PyTree:
        numbers = {"weight_decay": weight_decay, "learning_rate": learning_rate, "largest": max_learning_rate}
        return jax.tree.map(lambda u, param, inside: _decayed(u, param, **numbers) if inside else u, updates, params, where(params))

    return stateless(apply)
