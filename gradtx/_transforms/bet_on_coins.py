"""Weights as bets on the sign of the gradient: coin betting."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.numerics import bounded, filled, leafwise, scaled
from gradtx._core.transformation import transformation
from gradtx._core.types import LearningRate, Positive, PyTree
from gradtx._core.whole import copied


@leafwise
def _largest(largest: jax.Array, x: jax.Array) -> jax.Array:
    return jnp.maximum(largest, jnp.abs(x))


@leafwise
def _absolute_sum(total: jax.Array, x: jax.Array) -> jax.Array:
    return total + jnp.abs(x)


@leafwise
def _won(reward: jax.Array, x: jax.Array, param: jax.Array, start: jax.Array) -> jax.Array:
    return jnp.maximum(reward - x * (param - start), 0)


@leafwise
def _step(
    param: jax.Array, start: jax.Array, net: jax.Array, largest: jax.Array, total: jax.Array, reward: jax.Array, *, alpha: Any
) -> jax.Array:
    share = net / jnp.maximum(total + largest, alpha * largest)
    return start - share * (1 + reward / largest) - param


@transformation(averages=True, stands="last")
def bet_on_coins(learning_rate: LearningRate, alpha: Positive, eps: Positive) -> Any:
    """Step to θ₀ − s (L + R) / (L max(G + L, α L)), of c = η u: s = Σ c, G = Σ |c|, L = max |c|, R ← max(R − c (θ − θ₀), 0).

    Each weight stands where it began, plus a bet: a share, by how one-sided its gradients are, of the money L + R that its bets have
    won. `eps` is the first L. η weighs gradients against earlier ones; constant, it changes nothing. Nothing else may move the weights,
    so let nothing stand behind it. It needs the parameters and remembers five numbers for each. (Orabona & Tommasi 2017, algorithm 2.)
    """

    def init(params: PyTree) -> Any:
        zeros = {name: jax.tree.map(jnp.zeros_like, params) for name in ("sum", "absolute_sum", "reward")}
        return {"start": copied(params), "largest": filled(params, value=eps), **zeros}

    def update(updates: PyTree, state: Any, params: PyTree) -> Any:
        x = bounded(scaled(updates, by=learning_rate))
        net = jax.tree.map(jnp.add, state["sum"], x)
        largest, total = _largest(state["largest"], x), _absolute_sum(state["absolute_sum"], x)
        reward = _won(state["reward"], x, params, state["start"])
        step = _step(params, state["start"], net, largest, total, reward, alpha=alpha)
        return step, {"start": state["start"], "largest": largest, "sum": net, "absolute_sum": total, "reward": reward}

    return init, update
