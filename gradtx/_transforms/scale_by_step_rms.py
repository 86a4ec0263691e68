"""Adadelta's unit: the root mean square of the steps before."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.numerics import averaged, cut_off, leafwise, root, squared
from gradtx._core.transformation import transformation
from gradtx._core.types import Decay, Positive, PyTree


@leafwise
def _in_units(u: jax.Array, before: jax.Array, *, eps_root: Any) -> jax.Array:
    return cut_off(u) * root(before + eps_root)


@transformation
def scale_by_step_rms(decay: Decay, eps_root: Positive) -> Any:
    """Multiply by the root mean square of what this part handed on before: u ← √(w + eps_root) u, then w ← β w + (1 − β) u².

    Behind a division by the gradient's root mean square it gives steps the unit of the weights. `eps_root` sets the size
    of the first steps, √eps_root. (Zeiler 2012, section 3.2.)
    """

    def init(params: PyTree) -> Any:
        return {"average": jax.tree.map(jnp.zeros_like, params)}

    def update(updates: PyTree, state: Any) -> Any:
        steps = _in_units(updates, state["average"], eps_root=eps_root)
        return steps, {"average": averaged(state["average"], squared(steps), decay=decay)}

    return init, update
