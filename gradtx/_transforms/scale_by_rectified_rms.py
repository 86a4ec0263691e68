"""RAdam's division by the root of the second moment, held back while the variance of that root is infinite."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.numerics import averaged, cut_off, leafwise, matched, root, squared, widest
from gradtx._core.transformation import transformation
from gradtx._core.types import OpenDecay, Positive, PyTree
from gradtx._schedules.rectification_schedule import rectification
from gradtx._storage.codec import CodecOfSquares
from gradtx._storage.slot import Slot


@leafwise
def _rectified(u: jax.Array, v: jax.Array, *, factor: Any, eps: Any, active: Any) -> jax.Array:
    return jnp.where(active > 0, cut_off(u) * factor / (root(v) + eps), u)


@transformation
def scale_by_rectified_rms(decay: OpenDecay, eps: Positive, storage: CodecOfSquares | None = None) -> Any:
    """Divide by the root of the corrected average of g², times RAdam's variance rectification; do nothing while that has no variance.

    u ← u rₜ √(1 − βᵗ) / (√v + eps) once ρₜ > 5, else u, with v ← β v + (1 − β) g². Epsilon is added to the
    uncorrected root, as in the authors' code and PyTorch. `decay` β must exceed 0.6, below which ρ never passes 5.
    `storage` is a codec for v. (Liu et al. 2019, algorithm 2.)
    """
    slot = Slot(storage, "average")

    def init(params: PyTree) -> Any:
        return {
            "average": slot.begun(jax.tree.map(jnp.zeros_like, params)),
            "weight": jnp.zeros((), widest(params)),
        }

    def update(updates: PyTree, state: Any, params: PyTree = None, *, gradient: PyTree, step: jax.Array) -> Any:
        dtype = state["weight"].dtype
        beta = jnp.asarray(matched(decay, dtype), dtype)
        weight = averaged(state["weight"], jnp.ones((), dtype), decay=beta)
        second = averaged(slot.decoded(state["average"], updates), squared(gradient), decay=decay)
        length, rectified = rectification(beta, weight, step.astype(dtype) + 1)
        scaled = _rectified(updates, slot.read(second), factor=rectified * root(weight), eps=eps, active=length - 5)
        return scaled, {"average": slot.encoded(second, step), "weight": weight}

    return init, update
