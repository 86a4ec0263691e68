"""Steps whose sizes follow the sign of the gradient alone."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.numerics import filled, leafwise
from gradtx._core.transformation import transformation
from gradtx._core.types import OpenDecay, Positive, PyTree


@leafwise
def _adapted(size: jax.Array, agreement: jax.Array, *, shrink: Any, grow: Any, low: Any, high: Any) -> jax.Array:
    factor = jnp.where(agreement > 0, grow, jnp.where(agreement < 0, shrink, 1))
    return jnp.where(agreement == 0, size, jnp.clip(size * factor, low, high))


@leafwise
def _agreement(u: jax.Array, before: jax.Array) -> jax.Array:
    return jnp.sign(u) * before


@leafwise
def _kept(u: jax.Array, agreement: jax.Array) -> jax.Array:
    return jnp.where(agreement < 0, 0, jnp.sign(u))


@leafwise
def _product(sign: jax.Array, size: jax.Array) -> jax.Array:
    return sign * size


@transformation(averages=True)
def scale_by_rprop(
    initial: Positive, eta_minus: OpenDecay = 0.5, eta_plus: Positive = 1.2, min_step_size: Positive = 1e-6, max_step_size: Positive = 50.0
) -> Any:
    """Keep the sign and give each element a size: u ← sign(u) Δ, Δ times `eta_plus` while the sign lasts, `eta_minus` when it turns.

    Where the sign has turned u ← 0, and the next step begins anew with the smaller Δ. Δ begins at `initial` and stays
    between `min_step_size` and `max_step_size`. (Igel & Hüsken 2003, iRprop⁻.)
    """

    def init(params: PyTree) -> Any:
        return {"size": filled(params, value=initial), "sign": jax.tree.map(jnp.zeros_like, params)}

    def update(updates: PyTree, state: Any) -> Any:
        agreement = _agreement(updates, state["sign"])
        limits = {"low": min_step_size, "high": max_step_size}
        size = _adapted(state["size"], agreement, shrink=eta_minus, grow=eta_plus, **limits)
        sign = _kept(updates, agreement)
        return _product(sign, size), {"size": size, "sign": sign}

    return init, update
