"""What one power iteration, begun where the last one ended, captures of a matrix."""

from typing import Any, cast

import jax
import jax.numpy as jnp

from gradtx._core.layouts import placed, whole
from gradtx._core.matrices import check_matrices, gathered, product
from gradtx._core.numerics import cut_off, leafwise, root
from gradtx._core.random import leaf_keys
from gradtx._core.transformation import transformation
from gradtx._core.types import Count, Key, Positive, PyTree


def _first(params: PyTree, ranks: PyTree, key: Any) -> PyTree:
    """Random directions of the rows' space, as many as the rank."""

    def drawn(leaf: jax.Array, rank: int, leaf_key: jax.Array) -> jax.Array:
        return jax.random.normal(leaf_key, (leaf.shape[1], rank), leaf.dtype)

    return jax.tree.map(drawn, params, ranks, leaf_keys(cast(jax.Array, key), jnp.zeros((), jnp.int32), params))


@leafwise
def _left(x: jax.Array, q: jax.Array) -> jax.Array:
    """Orthonormal columns P that span x q, a constant to derivatives, which there are none of where x is zero."""
    return jax.lax.stop_gradient(jnp.linalg.qr(product(cut_off(gathered(whole(x))), gathered(q)))[0])


@leafwise
def _right(x: jax.Array, p: jax.Array) -> jax.Array:
    return product(cut_off(gathered(whole(x))).T, p)


@leafwise
def _outer(x: jax.Array, p: jax.Array, r: jax.Array) -> jax.Array:
    return placed(product(p, r.T), x)


def _norms(r: jax.Array) -> jax.Array:
    return root(jnp.sum(r * r, axis=0, keepdims=True))


@leafwise
def _normalized(r: jax.Array, *, eps: Any) -> jax.Array:
    return r / (_norms(r) + eps)


@leafwise
def _kept(r: jax.Array, q: jax.Array, *, eps: Any) -> jax.Array:
    """The columns to begin with next time: those of now, or of before where nothing was captured."""
    norms = _norms(r)
    return gathered(jnp.where(norms > 0, r / (norms + eps), q))


def _part(name: str, key: Any, eps: Any, rank_of: Any, result: Any) -> Any:
    def init(params: PyTree) -> Any:
        check_matrices(params, name)
        return {"directions": _first(params, jax.tree.map(lambda leaf: rank_of(*leaf.shape), params), key)}

    def update(updates: PyTree, state: Any) -> Any:
        left = _left(updates, state["directions"])
        right = _right(updates, left)
        new = {"directions": _kept(right, state["directions"], eps=eps)}
        return result(updates, left, right, new)

    return init, update


@transformation
def low_rank(rank: Count, key: Key, eps: Positive = 1e-8) -> Any:
    """Replace each matrix by its part in `rank` directions: u ← P Rᵀ, P = orth(u Q), R = uᵀ P, Q the columns of the last R.

    One power iteration a step finds the largest singular directions of matrices that change slowly. `key` draws the first Q.
    `error_feedback(low_rank(4, key))` sends later what it leaves out. P is a constant to derivatives. Every leaf must be a
    matrix. (PowerSGD: Vogels et al. 2019, arXiv 1905.13727, algorithm 1, with columns of length 1. Their package takes the sides by turns.)
    """
    return _part("low_rank", key, eps, lambda m, n: min(rank, m, n), lambda u, left, right, new: (_outer(u, left, right), new))


@transformation
def orthonormal_low_rank(rank_divisor: Count, key: Key, eps: Positive = 1e-8) -> Any:
    """Replace each matrix by one of about equal singular values in few directions: u ← P Qᵀ, P = orth(u Q), R = uᵀ P, Q ← R / ‖R_j‖.

    There are min(m, n) / `rank_divisor` directions, rounded up. What it captures of u is P Rᵀ, which `error_feedback` takes for what was
    sent. `key` draws the first Q; P is a constant to derivatives. Every leaf must be a matrix. (Dion: Ahn et al. 2025, arXiv
    2504.05295, algorithm 1.)
    """

    def result(u: PyTree, left: PyTree, right: PyTree, new: Any) -> Any:
        return _outer(u, left, _normalized(right, eps=eps)), new, {"captured": _outer(u, left, right)}

    return _part("orthonormal_low_rank", key, eps, lambda m, n: -(-min(m, n) // rank_divisor), result)
