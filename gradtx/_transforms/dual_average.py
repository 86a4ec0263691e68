"""Steps towards the start moved by a weighted sum of all gradients: dual averaging with momentum."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.numerics import bounded, leafwise, power, squared
from gradtx._core.transformation import transformation
from gradtx._core.types import Decay, LearningRate, Positive, PyTree


@leafwise
def _grown(total: jax.Array, x: jax.Array, *, weight: Any) -> jax.Array:
    return total + weight * x


@leafwise
def _step(param: jax.Array, start: jax.Array, total: jax.Array, squares: jax.Array, *, momentum: Any, eps: Any) -> jax.Array:
    target = start - total / (power(squares, 1 / 3) + eps)
    return (1 - momentum) * (target - param)


@transformation(averages=True, stands="last")
def dual_average(learning_rate: LearningRate, momentum: Decay, eps: Positive) -> Any:
    """Step towards z = θ₀ − s / (ν^⅓ + eps): u ← (1 − momentum)(z − θ), with s ← s + λ u, ν ← ν + λ u², λ = η √t.

    The weights are a function of where they began and of sums since, so nothing else may move them: let nothing stand
    behind it. It needs the parameters and remembers three numbers for each. (Defazio & Jelassi 2021, algorithm 1.)
    """

    def init(params: PyTree) -> Any:
        zeros = {name: jax.tree.map(jnp.zeros_like, params) for name in ("sum", "squares")}
        return {"start": params, **zeros}

    def update(updates: PyTree, state: Any, params: PyTree, *, step: jax.Array) -> Any:
        weight = learning_rate * jnp.sqrt(step.astype(float) + 1)
        total = _grown(state["sum"], bounded(updates), weight=weight)
        squares = _grown(state["squares"], squared(updates), weight=weight)
        moved = _step(params, state["start"], total, squares, momentum=momentum, eps=eps)
        return moved, {"start": state["start"], "sum": total, "squares": squares}

    return init, update
