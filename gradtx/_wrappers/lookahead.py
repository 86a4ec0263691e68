"""Slow weights that follow the fast ones."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.flow import Flow
from gradtx._core.numerics import leafwise, reached
from gradtx._core.transformation import GradientTransformation, transformation
from gradtx._core.types import Fraction, Positive, PyTree


@leafwise
def _slow(slow: jax.Array, param: jax.Array, u: jax.Array, *, alpha: Any, due: Any) -> jax.Array:
    return jnp.where(due > 0, slow + alpha * (param + u - slow), slow)


@leafwise
def _fast(u: jax.Array, slow: jax.Array, param: jax.Array, *, due: Any) -> jax.Array:
    return jnp.where(due > 0, slow - param, u)


@transformation(evaluates=True, stands="last")
def lookahead(inner: GradientTransformation, k: Positive = 5.0, alpha: Fraction = 0.5) -> Any:
    """Every `k` steps move slow weights towards where `inner` went, and start it from them: φ ← φ + α (θ − φ), θ ← φ.

    `eval_params` gives the slow weights φ. The state of `inner` goes on. `k` counts steps, 5 to 10 in the paper, and may be traced.
    It wraps a whole optimizer, learning rate included. Less sensitive to the learning rate of `inner`; own paper. (Zhang et al. 2019,
    arXiv 1907.08610, algorithm 1.)
    """

    def init(params: PyTree) -> Any:
        return {"count": jnp.zeros((), jnp.int32), "slow": jax.tree.map(jnp.copy, params), "inner": inner.init(params)}

    def update(updates: PyTree, state: Any, params: PyTree, *, flow: Flow) -> Any:
        moved, inner_state = inner.carry(flow, state["inner"], params)
        count = state["count"] + 1
        due = reached(count, k)
        slow = _slow(state["slow"], params, moved.updates, alpha=alpha, due=due)
        fast = _fast(moved.updates, slow, params, due=due)
        return moved.moved(fast), {"count": jnp.where(due, 0, count), "slow": slow, "inner": inner_state}

    def evaluate(params: PyTree, state: Any) -> PyTree:
        return state["slow"]

    return init, update, evaluate
