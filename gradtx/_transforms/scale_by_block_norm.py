"""The part that divides each leaf by the root of a running mean of its squared norm."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.numerics import largest_root, leafwise
from gradtx._core.placement import like, scalar_beside
from gradtx._core.rooted import divided_by_root
from gradtx._core.transformation import Moment, transformation
from gradtx._core.types import Positive, PyTree


@leafwise
def _squared_norm(x: jax.Array) -> jax.Array:
    return jnp.minimum(jnp.sum(x * x), largest_root(x.dtype) ** 2)


@transformation
def scale_by_block_norm(moment: Moment, eps: Positive) -> Any:
    """Divide each leaf by the root of a running mean of its squared gradient norm: u ← u / (√moment(‖g‖²) + eps).

    One number of state for each leaf. A stack of layers in one leaf counts as one. (Ginsburg et al. 2019, arXiv
    1905.11286, equation 2.)
    """

    def init(params: PyTree) -> Any:
        scalars = jax.tree.map(scalar_beside, params)
        owner = next(iter(jax.tree.leaves(scalars)), None)
        return jax.tree.map(lambda slot: slot if owner is None else like(owner.astype(slot.dtype), slot), moment.init(scalars))

    def update(updates: PyTree, state: Any, params: PyTree = None, *, gradient: PyTree) -> Any:
        second, state = moment.update(_squared_norm(gradient), state)
        return divided_by_root(updates, second, eps=eps, eps_root=None, floor=None, exponent=None), state

    return init, update
