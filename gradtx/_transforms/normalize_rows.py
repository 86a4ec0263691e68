"""Rows or columns of one length, or both."""

from typing import Any

import jax

from gradtx._core.matrices import check_matrices, over_norm
from gradtx._core.numerics import leafwise
from gradtx._core.transformation import transformation
from gradtx._core.types import Count, Positive, PyTree


@leafwise
def _rows(u: jax.Array, *, eps: Any) -> jax.Array:
    return over_norm(u, eps, axes=(1,))


@leafwise
def _columns(u: jax.Array, *, eps: Any) -> jax.Array:
    return over_norm(u, eps, axes=(0,))


def _matrices_only(name: str, rule: Any) -> Any:
    def init(params: PyTree) -> None:
        check_matrices(params, name)

    def update(updates: PyTree, state: None) -> tuple[PyTree, None]:
        init(updates)
        return rule(updates), state

    return init, update


@transformation
def normalize_rows(eps: Positive) -> Any:
    """Divide each row of a matrix by its Euclidean norm: u_i ← u_i / (‖u_i‖ + eps). A row is what shares the first index.

    Rows of an embedding of shape (words, features) are words.
    """
    return _matrices_only("normalize_rows", lambda updates: _rows(updates, eps=eps))


@transformation
def normalize_columns(eps: Positive) -> Any:
    """Divide each column of a matrix by its Euclidean norm: u_j ← u_j / (‖u_j‖ + eps). A column is what shares the last index."""
    return _matrices_only("normalize_columns", lambda updates: _columns(updates, eps=eps))


@transformation
def sinkhorn(iterations: Count = 5, eps: Positive = 1e-8) -> Any:
    """Give rows and columns a root mean square of 1, by turns: u_i ← √n u_i / (‖u_i‖ + eps), then u_j ← √m u_j / (‖u_j‖ + eps).

    `iterations` pairs of both, in one loop. It remembers nothing and needs no product of matrices. (Scetbon et al. 2025,
    "Gradient Multi-Normalization", arXiv 2502.06742, algorithm 3; SWAN, arXiv 2412.13148, is `normalize_rows` before `orthogonalize`.)
    """

    def alternated(u: jax.Array) -> jax.Array:
        rows, columns = u.shape

        def once(_: Any, u: jax.Array) -> jax.Array:
            u = over_norm(u, eps, axes=(1,)) * float(columns) ** 0.5
            return over_norm(u, eps, axes=(0,)) * float(rows) ** 0.5

        return jax.lax.fori_loop(0, iterations, once, u)

    return _matrices_only("sinkhorn", lambda updates: jax.tree.map(alternated, updates))
