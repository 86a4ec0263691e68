"""Second-order steps: the updates through the inverse of the damped Hessian."""

from collections.abc import Callable
from typing import Any

import jax
import jax.flatten_util
import jax.numpy as jnp

from gradtx._core.numerics import matched
from gradtx._core.transformation import stateless, transformation
from gradtx._core.types import NonNegative, PyTree


@transformation
def scale_by_hessian(damping: NonNegative) -> Any:
    """Solve for the Newton direction with the whole Hessian: u ← (H + λ I)⁻¹ u.

    `damping` λ ≥ 0. It needs the parameters and the extra `value_fn`. It stores n² numbers and takes n³ work for n
    weights in all: up to a few thousand. With an indefinite H the direction may point uphill; raise λ above the most
    negative curvature. With λ = 0 a weight that the loss does not depend on, or does not bend with, moves by its
    gradient. (Nocedal & Wright 2006, section 3.3.)
    """

    def apply(updates: PyTree, params: PyTree, *, value_fn: Callable[[PyTree], jax.Array]) -> PyTree:
        flat, unravel = jax.flatten_util.ravel_pytree(params)
        direction, restore = jax.flatten_util.ravel_pytree(updates)
        if not flat.size:
            return updates
        hessian = jax.hessian(lambda x: value_fn(unravel(x)))(flat).astype(flat.dtype)
        damped = hessian + matched(damping, flat.dtype) * jnp.eye(flat.size, dtype=flat.dtype)
        return restore(_solved(damped, direction))

    return stateless(apply)


def _solved(matrix: jax.Array, target: jax.Array) -> jax.Array:
    """`matrix`⁻¹ `target` for a symmetric matrix. A pivot of zero counts as 1, here and in derivatives, so that both stay finite."""
    factors, _, order = jax.lax.linalg.lu(jax.lax.stop_gradient(matrix))
    regular = factors + jnp.diag((jnp.diagonal(factors) == 0).astype(factors.dtype))

    def solve(_: Any, b: jax.Array) -> jax.Array:
        halfway = jax.lax.linalg.triangular_solve(regular, b[order, None], left_side=True, lower=True, unit_diagonal=True)
        return jax.lax.linalg.triangular_solve(regular, halfway, left_side=True)[:, 0]

    return jax.lax.custom_linear_solve(lambda x: matrix @ x, target, solve, symmetric=True)
