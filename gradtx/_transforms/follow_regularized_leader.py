"""Weights as the minimum of all linearised losses so far plus penalties."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.numerics import bounded, leafwise, root, squared
from gradtx._core.transformation import transformation
from gradtx._core.types import LearningRate, NonNegative, Positive, PyTree


@leafwise
def _linear(z: jax.Array, g: jax.Array, param: jax.Array, before: jax.Array, after: jax.Array, *, learning_rate: Any) -> jax.Array:
    rate = jnp.maximum(learning_rate, 2.0**-64)
    return z + g - (root(after) - root(before)) / rate * param


@leafwise
def _grown(squares: jax.Array, x: jax.Array) -> jax.Array:
    return squares + x


@leafwise
def _move(param: jax.Array, z: jax.Array, squares: jax.Array, *, learning_rate: Any, beta: Any, l1: Any, l2: Any) -> jax.Array:
    beyond = jnp.sign(z) * jnp.maximum(jnp.abs(z) - l1, 0)
    return -learning_rate * beyond / (beta + root(squares) + learning_rate * l2) - param


@transformation(averages=True, stands="last")
def follow_regularized_leader(learning_rate: LearningRate, beta: Positive = 1.0, l1: NonNegative = 0.0, l2: NonNegative = 0.0) -> Any:
    """Move to the minimum of the linearised losses so far and the penalties: u ← w − θ, w = −(z − sign(z) λ₁)₊ / ((β + √n)/η + λ₂).

    n sums g², z sums g − (√n − √n_before)/η θ; w is exactly 0 where |z| ≤ λ₁. The weights are a function of these sums, so
    nothing else may move them: let nothing stand behind it. It needs the parameters. (McMahan et al. 2013, algorithm 1.)
    """

    def init(params: PyTree) -> Any:
        return {name: jax.tree.map(jnp.zeros_like, params) for name in ("linear", "squares")}

    def update(updates: PyTree, state: Any, params: PyTree) -> Any:
        squares = _grown(state["squares"], squared(updates))
        linear = _linear(state["linear"], bounded(updates), params, state["squares"], squares, learning_rate=learning_rate)
        moved = _move(params, linear, squares, learning_rate=learning_rate, beta=beta, l1=l1, l2=l2)
        return moved, {"linear": linear, "squares": squares}

    return init, update
