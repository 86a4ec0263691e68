"""Division by the root of a second moment that does not know the present gradient."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.numerics import leafwise, squared, weighted_sum
from gradtx._core.rooted import divided_by_root
from gradtx._core.transformation import transformation
from gradtx._core.types import Decay, Positive, PyTree


@leafwise
def _nothing_at_first(u: jax.Array, *, known: Any) -> jax.Array:
    return jnp.where(known > 0, u, 0)


@transformation
def scale_by_lagged_rms(decay: Decay, floor: Positive) -> Any:
    """Divide by the root of the second moment of before: u ← u / max(√v, floor), then v ← β v + (1 − β) g².

    So the divisor is independent of the gradient it divides. v begins at the square of the first gradient, which moves
    nothing: u ← 0 at the first step. (Taniguchi et al. 2024, algorithm 2.)
    """

    def init(params: PyTree) -> Any:
        return {"average": jax.tree.map(jnp.zeros_like, params)}

    def update(updates: PyTree, state: Any, params: PyTree = None, *, gradient: PyTree, step: jax.Array) -> Any:
        scaled = divided_by_root(updates, state["average"], eps=None, eps_root=None, floor=floor, exponent=None)
        past = jnp.where(step > 0, decay, 0.0)
        second = weighted_sum(state["average"], squared(gradient), of_x=past, of_y=1 - past)
        return _nothing_at_first(scaled, known=step), {"average": second}

    return init, update
