"""Weight decay."""

from typing import Any

import jax

from gradtx._core.numerics import leafwise
from gradtx._core.selection import Where
from gradtx._core.transformation import stateless, transformation
from gradtx._core.types import NonNegative, PyTree


@leafwise
def _decayed(u: jax.Array, param: jax.Array, *, weight_decay: Any) -> jax.Array:
    return u + weight_decay * param


@transformation(uphill=True)
def add_decayed_weights(weight_decay: NonNegative, where: Where = None) -> Any:
    """Add the weights times a factor: u ← u + λ θ.

    Before the moments that is the L2 penalty λ/2 ‖θ‖² (it changes the gradient); after them and before the learning
    rate it is decoupled weight decay, scaled by the learning rate (AdamW). `where` chooses the leaves: a pattern over
    paths such as `"*/kernel"`, or a function of the path and the leaf such as `lambda path, leaf: leaf.ndim > 1`; all
    leaves when None. (Loshchilov & Hutter 2017.)
    """

    def apply(updates: PyTree, params: PyTree) -> PyTree:
        return jax.tree.map(
            lambda u, param, inside: _decayed(u, param, weight_decay=weight_decay) if inside else u, updates, params, where(params)
        )

    return stateless(apply)
