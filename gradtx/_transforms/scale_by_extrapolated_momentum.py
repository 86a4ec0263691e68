"""Momentum from the gradient and from its differences."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.flow import Flow
from gradtx._core.numerics import leafwise
from gradtx._core.transformation import Moment, transformation
from gradtx._core.types import NonNegative, PyTree


@leafwise
def _difference(x: jax.Array, before: jax.Array, *, known: Any) -> jax.Array:
    return jnp.where(known > 0, x - before, 0)


@leafwise
def _extrapolated(x: jax.Array, difference: jax.Array, *, weight: Any) -> jax.Array:
    return x + weight * difference


@transformation
def scale_by_extrapolated_momentum(of_gradient: Moment, of_difference: Moment, weight: NonNegative) -> Any:
    """Average the updates and their differences: u ← moment(u) + w moment'(d), d = u − u_before, with d = 0 at the first step.

    The gradient behind the updates becomes g + w d, which a division by its root mean square then measures: Nesterov's
    look-ahead without a gradient at another point. (Xie et al. 2022, equation 6.)
    """

    def init(params: PyTree) -> Any:
        before = jax.tree.map(jnp.zeros_like, params)
        return {"before": before, "gradient": of_gradient.init(params), "difference": of_difference.init(params)}

    def update(updates: PyTree, state: Any, params: PyTree = None, *, flow: Flow, step: jax.Array) -> Any:
        difference = _difference(updates, state["before"], known=step)
        first, of_first = of_gradient.update(updates, state["gradient"])
        second, of_second = of_difference.update(difference, state["difference"])
        momentum = _extrapolated(first, second, weight=weight)
        published = {**flow.published, "average": momentum}
        moved = Flow(momentum, _extrapolated(updates, difference, weight=weight), published, averaged=True)
        return moved, {"before": updates, "gradient": of_first, "difference": of_second}

    return init, update
