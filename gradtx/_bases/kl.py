"""The eigenvectors of the Kronecker factors that are nearest to the gradients' covariance in Kullback-Leibler divergence."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._bases.turns import in_turn
from gradtx._core.layouts import whole
from gradtx._core.matrices import check_matrices, gathered, product
from gradtx._core.numerics import averaged, cut_off, filled, largest_root, root
from gradtx._core.transformation import transformation
from gradtx._core.types import Count, Decay, Positive, PyTree

SIDES = ("left", "right")


def _of_side(params: PyTree, k: int, make: Any) -> PyTree:
    return jax.tree.map(lambda leaf: make(leaf.shape[k], leaf.dtype) if leaf.size else None, params)


def _square(make: Any, max_size: int) -> Any:
    """A square matrix, None for a side of one or of more than `max_size`."""
    return lambda n, dtype: make(n, dtype) if 1 < n <= max_size else None


def _zeros(n: int, dtype: Any) -> jax.Array:
    return jnp.zeros((n, n), dtype)


def _eye(n: int, dtype: Any) -> jax.Array:
    return jnp.eye(n, dtype=dtype)


@jax.jit
def _observed(g: jax.Array, q: Any, p: Any, of_rows: jax.Array, of_columns: jax.Array) -> tuple[jax.Array, ...]:
    """G R⁻¹ Gᵀ / n and Gᵀ L⁻¹ G / m, and their diagonals in the basis."""
    g = cut_off(gathered(whole(g)))
    rows, columns = root(of_rows)[:, None], root(of_columns)[None, :]
    turned = g if q is None else product(q.T, g)
    left, right = cut_off((g if p is None else product(g, p)) / columns), cut_off(turned / rows)
    both = turned if p is None else product(turned, p)
    m, n = g.shape
    squares = jnp.square(cut_off(both / columns)), jnp.square(cut_off(both / rows))
    return product(left, left.T) / n, product(right.T, right) / m, jnp.sum(squares[0], 1) / n, jnp.sum(squares[1], 0) / m


def _within(values: jax.Array) -> jax.Array:
    """Eigenvalues whose inverses, and whose products with squares, are finite."""
    largest = largest_root(values.dtype)
    return jnp.clip(values, 1 / largest, largest)


def _decomposed(statistics: jax.Array, basis: jax.Array) -> tuple[jax.Array]:
    return (jnp.linalg.eigh(statistics)[1][..., ::-1],)


def _iterated(statistics: jax.Array, basis: jax.Array) -> tuple[jax.Array]:
    return (jnp.linalg.qr(product(statistics, basis))[0],)


@transformation
def kl_eigensystem(decay: Decay, every: Count = 10, max_size: int = 8192, initial: Positive = 0.1) -> Any:
    """A basis for `in_basis`: eigenvectors and eigenvalues of L ← β L + (1 − β) G R⁻¹ Gᵀ / n and R ← β R + (1 − β) Gᵀ L⁻¹ G / m.

    Each side is measured in units of the other, at the first step in none, so that L ⊗ R has the size of the gradients' covariance
    and `scale_by_eigenvalues(0.5, eps)` needs no graft. The vectors are decomposed at the first step, which moves nothing, and turned
    by one power iteration and QR once in `every` steps, matrices of equal size in turns; the values, `initial` at first, are averaged
    at every step. What is published is that of the steps before. A side longer than `max_size` has values alone. The basis is a constant to
    derivatives. (Lin et al. 2025, arXiv 2509.03378, with the eigenvalues of its authors' implementation.)
    """

    def init(params: PyTree) -> Any:
        check_matrices(params, "kl_eigensystem")
        kept: dict[str, Any] = {}
        for k, side in enumerate(SIDES):
            kept[side] = _of_side(params, k, _square(_eye, max_size))
            kept[f"{side}_statistics"] = _of_side(params, k, _square(_zeros, max_size))
            kept[f"{side}_values"] = filled(_of_side(params, k, jnp.ones), value=initial)
        return kept

    def update(updates: PyTree, state: Any, params: PyTree = None, *, step: jax.Array) -> Any:
        basis = {side: state[side] for side in SIDES}
        values = {side: state[f"{side}_values"] for side in SIDES}
        units = jax.tree.map(lambda known: jnp.where(step > 0, known, 1), values)
        leaves, structure = jax.tree.flatten(jax.lax.stop_gradient(updates))
        columns = [structure.flatten_up_to(tree) for tree in (*basis.values(), *units.values())]
        seen = [_observed(*row) if row[0].size else (None,) * 4 for row in zip(leaves, *columns, strict=True)]
        trees = [structure.unflatten(column) for column in zip(*seen, strict=True)] if seen else [updates] * 4
        new: dict[str, Any] = {}
        for k, side in enumerate(SIDES):
            kept = state[f"{side}_statistics"]
            visible = jax.tree.map(lambda s, x: None if s is None else x, kept, trees[k], is_leaf=lambda leaf: leaf is None)
            new[f"{side}_statistics"] = averaged(kept, visible, decay=decay)
            moved = jax.tree.map(_within, averaged(values[side], trees[2 + k], decay=decay))
            new[f"{side}_values"] = jax.tree.map(lambda now, before: jnp.where(step > 0, now, before), moved, values[side])
        statistics = {side: new[f"{side}_statistics"] for side in SIDES}
        (turned,) = in_turn(_iterated, jax.lax.stop_gradient(statistics), (basis,), step, every, _decomposed)
        basis, values = jax.tree.map(gathered, (basis, values))
        return updates, {**turned, **new}, {"basis": basis, "spectrum": values, "ready": step > 0}

    return init, update
