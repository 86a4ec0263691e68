"""The direction of one method with the size of another."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.flow import Flow
from gradtx._core.numerics import leafwise, root
from gradtx._core.transformation import GradientTransformation, transformation
from gradtx._core.types import PyTree


def _largest(x: jax.Array) -> jax.Array:
    return jnp.max(jnp.abs(x), initial=0)


def _relative_norm(x: jax.Array, largest: jax.Array) -> jax.Array:
    """The Euclidean norm in units of the largest element, so that no square overflows or vanishes."""
    return root(jnp.sum(jnp.square(x / jnp.where(largest > 0, largest, 1))))


@leafwise
def _grafted(d: jax.Array, n: jax.Array) -> jax.Array:
    size_d, size_n = _largest(d), _largest(n)
    norm_d, norm_n = _relative_norm(d, size_d), _relative_norm(n, size_n)
    unit = d / jnp.where(size_d > 0, size_d, 1) / jnp.where(norm_d > 0, norm_d, 1)
    return unit * norm_n * size_n


@transformation
def graft(direction: GradientTransformation, norm: GradientTransformation) -> Any:
    """Give each leaf of `direction`'s update the Euclidean norm of `norm`'s: u ← d ‖n‖ / ‖d‖, 0 where d is 0.

    Both run on the same updates. A learning rate that is tuned for `norm` can be used with `direction`: Shampoo is grafted to
    Adam or AdaGrad. The sign is that of `direction`; put the learning rate behind: `chain(graft(sign(), scale_by_momentum(...)),
    scale_by_learning_rate(0.1))`. It averages if either of the two does. (Agarwal et al. 2020, arXiv 2002.11803.)
    """

    def init(params: PyTree) -> Any:
        return {"direction": direction.init(params), "norm": norm.init(params)}

    def update(updates: PyTree, state: Any, params: PyTree = None, *, flow: Flow) -> Any:
        towards, of_direction = direction.carry(flow, state["direction"], params)
        size, of_norm = norm.carry(flow, state["norm"], params)
        averaged = flow.averaged or towards.averaged or size.averaged
        after = dataclasses.replace(flow, averaged=averaged, downhill=towards.downhill).moved(_grafted(towards.updates, size.updates))
        return after, {"direction": of_direction, "norm": of_norm}

    return init, update
