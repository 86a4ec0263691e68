"""The part that divides by a running standard deviation."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.numerics import bounded, leafwise, squared
from gradtx._core.rooted import divided_by_root
from gradtx._core.transformation import Moment, transformation
from gradtx._core.types import Positive, PyTree


@leafwise
def _variance(second: jax.Array, mean: jax.Array) -> jax.Array:
    return jnp.maximum(second - mean * mean, 0)


@transformation
def scale_by_stddev(moment: Moment, eps: Positive | None = None, *, eps_root: Positive | None = None) -> Any:
    """Divide the updates by a running standard deviation of the gradient: u ← u / (√(moment(g²) − moment(g)²) + eps).

    `eps` outside the root, `eps_root` inside it; one of them is needed. Rounding can make the difference of a
    constant gradient negative, so it is cut off at 0. (Graves 2013, equations 38-40.)
    """
    if eps is None and eps_root is None:
        raise ValueError("scale_by_stddev needs eps or eps_root, or a constant gradient divides by zero; write eps=1e-8.")
    of_squares = moment.nonnegative()

    def init(params: PyTree) -> Any:
        return {"mean": moment.init(params), "second": of_squares.init(params)}

    def update(updates: PyTree, state: Any, params: PyTree = None, *, gradient: PyTree) -> Any:
        mean, of_mean = moment.update(bounded(gradient), state["mean"])
        second, of_second = of_squares.update(squared(gradient), state["second"])
        variance = _variance(second, mean)
        scaled = divided_by_root(updates, variance, eps=eps, eps_root=eps_root, floor=None, exponent=None)
        return scaled, {"mean": of_mean, "second": of_second}

    return init, update
