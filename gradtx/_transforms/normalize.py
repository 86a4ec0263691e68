"""Steps of a length that the gradient does not choose."""

from typing import Any

import jax

from gradtx._core.matrices import over_norm
from gradtx._core.numerics import leafwise, matched, scaled
from gradtx._core.transformation import stateless, transformation
from gradtx._core.types import Positive, PyTree
from gradtx._core.whole import bounded_norm


@leafwise
def _normalized(u: jax.Array, *, eps: Any) -> jax.Array:
    return over_norm(u, eps, axes=tuple(range(u.ndim))).reshape(u.shape)


@leafwise
def _to_unit_rms(u: jax.Array, *, eps: Any) -> jax.Array:
    return _normalized(u, eps=eps) * float(u.size) ** 0.5


@transformation
def normalize(eps: Positive) -> Any:
    """Divide each leaf by its Euclidean norm: u ← u / (‖u‖ + eps). Steepest descent in that norm."""
    return stateless(lambda updates: _normalized(updates, eps=eps))


@transformation
def normalize_rms(eps: Positive) -> Any:
    """Give each leaf a root mean square of 1: u ← u √N / (‖u‖ + eps), for N elements.

    With `scale(0.2)` behind it the steps have the size of AdamW's, whatever direction stands before.
    """
    return stateless(lambda updates: _to_unit_rms(updates, eps=eps))


@transformation
def normalize_by_update_norm(eps: Positive) -> Any:
    """Divide all leaves by the Euclidean norm of all of them together: u ← u / (‖u‖ + eps).

    The learning rate behind it is the length of a step. `normalize` gives each leaf a length of its own.
    """

    def apply(updates: PyTree) -> PyTree:
        norm, shrunk = bounded_norm(updates)
        return scaled(scaled(updates, by=shrunk), by=1 / (norm + matched(eps, norm.dtype)))

    return stateless(apply)
