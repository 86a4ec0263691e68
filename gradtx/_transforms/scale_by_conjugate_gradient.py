"""Second-order steps for many weights: conjugate gradients on Hessian-vector products."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx._core.numerics import matched, widest
from gradtx._core.transformation import stateless, transformation
from gradtx._core.types import Count, NonNegative, PyTree


class _Solve(NamedTuple):
    """The iterate, its residual and search direction, the residual's square, and whether the solve still runs."""

    solution: PyTree
    residual: PyTree
    direction: PyTree
    square: jax.Array
    running: jax.Array


def _dot(a: PyTree, b: PyTree, dtype: Any) -> jax.Array:
    products = jax.tree.map(lambda x, y: jnp.sum(x * y).astype(dtype), a, b)
    return sum(jax.tree.leaves(products), jnp.zeros((), dtype))


def _along(a: PyTree, step: jax.Array, b: PyTree) -> PyTree:
    return jax.tree.map(lambda x, y: x + step.astype(x.dtype) * y, a, b)


def _safe(denominator: jax.Array) -> jax.Array:
    return jnp.where(denominator > 0, denominator, 1)


def conjugate_gradient(product: Callable[[PyTree], PyTree], target: PyTree, iterations: int, tolerance: Any) -> PyTree:
    """Solve `product(x) = target` for a symmetric `product`, stopping where its curvature is not positive.

    If the very first direction has none, the answer is `target` itself: a gradient step.
    """
    dtype = widest(target)

    def iterate(state: _Solve, _: None) -> tuple[_Solve, None]:
        image = product(state.direction)
        curvature = _dot(state.direction, image, dtype)
        running = state.running & (curvature > 0)
        step = jnp.where(running, state.square / _safe(curvature), 0)
        solution = _along(state.solution, step, state.direction)
        residual = _along(state.residual, -step, image)
        square = _dot(residual, residual, dtype)
        direction = _along(residual, jnp.where(running, square / _safe(state.square), 0), state.direction)
        return _Solve(solution, residual, direction, square, running & (square > limit)), None

    square = _dot(target, target, dtype)
    limit = jnp.asarray(tolerance, dtype) ** 2 * square
    zeros = jax.tree.map(jnp.zeros_like, target)
    start = _Solve(zeros, target, target, square, square > 0)
    solved, _ = jax.lax.scan(iterate, start, None, length=iterations)
    moved = _dot(solved.solution, solved.solution, dtype) > 0
    return jax.tree.map(lambda x, fallback: jnp.where(moved, x, fallback), solved.solution, target)


@transformation
def scale_by_conjugate_gradient(damping: NonNegative, iterations: Count, tolerance: NonNegative) -> Any:
    """Solve for the Newton direction without the Hessian: u ≈ (H + λ I)⁻¹ u by conjugate gradients.

    Each of the `iterations` costs one Hessian-vector product, about two gradients. The solve stops at a residual of
    `tolerance` times the updates' norm, and where curvature is not positive; met at once, that leaves the updates as
    they are. It needs the parameters and the extra `value_fn`. (Steihaug 1983; Nocedal & Wright 2006, algorithm 7.1.)
    """

    def apply(updates: PyTree, params: PyTree, *, value_fn: Callable[[PyTree], jax.Array]) -> PyTree:
        def product(vector: PyTree) -> PyTree:
            _, curved = jax.jvp(jax.grad(value_fn), (params,), (vector,))
            return jax.tree.map(lambda h, v: h + matched(damping, v.dtype) * v, curved, vector)

        return conjugate_gradient(product, updates, iterations, tolerance)

    return stateless(apply)
