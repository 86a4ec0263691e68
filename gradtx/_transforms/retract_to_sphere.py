"""Weights of constant norm."""

from typing import Any

import jax

from gradtx._core.matrices import over_norm
from gradtx._core.numerics import cut_off, global_norm, leafwise
from gradtx._core.transformation import transformation
from gradtx._core.types import PyTree

TINY = 1e-30
"""What keeps a weight of zeros from dividing zero by zero; it changes no other weight."""


@leafwise
def _radius(param: jax.Array) -> jax.Array:
    return global_norm(param)


@leafwise
def _retracted(u: jax.Array, param: jax.Array, radius: jax.Array) -> jax.Array:
    moved = param + radius * cut_off(u)
    return radius * over_norm(moved, TINY, axes=tuple(range(u.ndim))).reshape(u.shape) - param


@transformation(uphill=False)
def retract_to_sphere() -> Any:
    """Step in units of the first norm of each weight, and back to that norm: u ← ρ (θ + ρ u) / ‖θ + ρ u‖ − θ with ρ = ‖θ₀‖.

    It stands behind the learning rate, last of all: it needs the parameters, and whatever moves them afterwards leaves the
    sphere, which the next step corrects. A learning rate is then an angle; `normalize` before it makes every step as long.
    A weight that began at zero stays there. (Wen et al. 2026, hyperball optimization, arXiv 2606.16899.)
    """

    def init(params: PyTree) -> Any:
        return {"radius": _radius(params)}

    def update(updates: PyTree, state: Any, params: PyTree) -> Any:
        own = params if jax.tree.leaves(updates) else updates  # a bare leaf that another group has: None, for which params are everyone's
        return _retracted(updates, own, state["radius"]), state

    return init, update
