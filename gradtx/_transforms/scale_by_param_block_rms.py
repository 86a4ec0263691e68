"""Steps in proportion to the weights."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.numerics import cut_off, global_norm, leafwise
from gradtx._core.transformation import stateless, transformation
from gradtx._core.types import Positive, PyTree


@leafwise
def _scaled(u: jax.Array, param: jax.Array, *, floor: Any) -> jax.Array:
    return u * jnp.maximum(global_norm(param) / max(param.size, 1) ** 0.5, floor)


@leafwise
def _scaled_by_norm(u: jax.Array, param: jax.Array, *, floor: Any) -> jax.Array:
    return cut_off(u) * jnp.maximum(global_norm(param), floor)


@transformation
def scale_by_param_block_rms(floor: Positive = 1e-3) -> Any:
    """Multiply each leaf by the root mean square of its parameter: u ← u · max(rms(θ), floor).

    The learning rate is then relative to the size of the weights. `floor` lets weights move that begin at zero. It
    needs the parameters. (Shazeer & Stern 2018, section 8.)
    """

    def apply(updates: PyTree, params: PyTree) -> PyTree:
        return _scaled(updates, params, floor=floor)

    return stateless(apply)


@transformation
def scale_by_param_block_norm(floor: Positive = 1e-3) -> Any:
    """Multiply each leaf by the Euclidean norm of its parameter: u ← u · max(‖θ‖, floor).

    Behind `normalize` the learning rate is the part of its norm by which a leaf moves. `floor` lets weights move that begin at zero. It
    needs the parameters.
    """

    def apply(updates: PyTree, params: PyTree) -> PyTree:
        return _scaled_by_norm(updates, params, floor=floor)

    return stateless(apply)
