"""The direction of one optimizer at the length of another."""

from typing import Any

import jax

from gradtx._core.flow import Flow
from gradtx._core.matrices import over_norm
from gradtx._core.numerics import global_norm, leafwise
from gradtx._core.transformation import GradientTransformation, transformation
from gradtx._core.types import Positive, PyTree


@leafwise
def _grafted(direction: jax.Array, length: jax.Array, *, eps: Any) -> jax.Array:
    axes = tuple(range(direction.ndim))
    return over_norm(direction, eps, axes=axes).reshape(direction.shape) * global_norm(length)


@transformation
def graft(direction: GradientTransformation, length: GradientTransformation, eps: Positive) -> Any:
    """Step along one optimizer's update, as far as another's, leaf by leaf: u ← d ‖l‖ / (‖d‖ + eps).

    Both see what comes in and remember for themselves. It separates where to go from how far: Shampoo takes its
    lengths from Adam or AdaGrad, so that their learning rate carries over. (Agarwal et al. 2020, arXiv 2002.11803; Anil et al. 2020,
    arXiv 2002.09018.)
    """

    def init(params: PyTree) -> Any:
        return {"direction": direction.init(params), "length": length.init(params)}

    def update(updates: PyTree, state: Any, params: PyTree = None, *, flow: Flow) -> Any:
        along, of_direction = direction.carry(flow, state["direction"], params)
        far, of_length = length.carry(flow, state["length"], params)
        grafted = _grafted(along.updates, far.updates, eps=eps)
        return flow.left(along).moved(grafted), {"direction": of_direction, "length": of_length}

    return init, update
