"""The eigenvectors of averaged products of gradients, of rows and of columns."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from gradtx._bases.turns import in_turn
from gradtx._core.layouts import whole
from gradtx._core.matrices import check_matrices, gathered, product
from gradtx._core.numerics import cut_off, leafwise
from gradtx._core.transformation import Moment, transformation
from gradtx._core.types import Count, PyTree

SIDES = ("left", "right")


def _side(leaf: jax.Array, side: str) -> int:
    return leaf.shape[SIDES.index(side)]


def _squares(params: PyTree, max_size: int, fill: Callable[[int, Any], jax.Array]) -> dict[str, PyTree]:
    """A square matrix for each side of each leaf, None for a side of one or none, or of more than `max_size`."""

    def square(leaf: jax.Array, side: str) -> Any:
        return fill(_side(leaf, side), leaf.dtype) if 1 < _side(leaf, side) <= max_size and leaf.size else None

    return {side: jax.tree.map(lambda leaf, side=side: square(leaf, side), params) for side in SIDES}


@leafwise
def _of_rows(g: jax.Array) -> jax.Array:
    g = cut_off(gathered(whole(g)))
    return product(g, g.mT)


@leafwise
def _of_columns(g: jax.Array) -> jax.Array:
    g = cut_off(gathered(whole(g)))
    return product(g.mT, g)


def _absorbed(moment: Moment, gradient: PyTree, state: Any, like: dict[str, PyTree]) -> tuple[dict[str, PyTree], Any]:
    """The running statistics of G Gᵀ and Gᵀ G."""
    statistics, entries = dict[str, PyTree](), dict[str, Any]()
    for side, outer in (("left", _of_rows), ("right", _of_columns)):
        visible = jax.tree.map(lambda g, q: None if q is None else g, gradient, like[side], is_leaf=lambda leaf: leaf is None)
        statistics[side], entries[side] = moment.update(outer(visible), state[side])
    return statistics, entries


def _decomposed(statistics: jax.Array, basis: jax.Array) -> tuple[jax.Array]:
    return (jnp.linalg.eigh(statistics)[1],)


def _with_values(statistics: jax.Array, basis: jax.Array) -> tuple[jax.Array, jax.Array]:
    values, vectors = jnp.linalg.eigh(statistics)
    return vectors, jnp.maximum(values, 0)


def _iterated(statistics: jax.Array, basis: jax.Array) -> tuple[jax.Array]:
    """One power iteration and QR, with the largest directions first; each vector keeps its place."""
    image = product(statistics, basis)
    order = jnp.argsort(-jnp.sum(basis * image, axis=-2), axis=-1)[..., None, :]
    vectors, _ = jnp.linalg.qr(jnp.take_along_axis(image, order, axis=-1))
    return (jnp.take_along_axis(vectors, jnp.argsort(order, axis=-1), axis=-1),)


def _eye(size: int, dtype: Any) -> jax.Array:
    return jnp.eye(size, dtype=dtype)


def _zeros(size: int, dtype: Any) -> jax.Array:
    return jnp.zeros((size, size), dtype)


@transformation
def kronecker_eigenbasis(moment: Moment, every: Count = 10, max_size: int = 8192) -> Any:
    """A basis for `in_basis`: the eigenvectors of L = moment(G Gᵀ) and of R = moment(Gᵀ G), those of the steps before.

    Made by decomposition at the first step, which moves nothing, and turned by one power iteration and QR once in
    `every` steps; matrices of equal size take turns, so that steps cost the same. Each vector keeps its place, so what
    is remembered about a coordinate stays true. A side longer than `max_size` is not turned. The basis is a constant to
    derivatives. (SOAP: Vyas et al. 2024, arXiv 2409.11321, algorithms 3 and 4.)
    """

    def init(params: PyTree) -> Any:
        check_matrices(params, "kronecker_eigenbasis")
        zeros = _squares(params, max_size, _zeros)
        return {**_squares(params, max_size, _eye), "moment": {side: moment.init(zeros[side]) for side in SIDES}}

    def update(updates: PyTree, state: Any, params: PyTree = None, *, step: jax.Array) -> Any:
        basis = {side: state[side] for side in SIDES}
        statistics, entries = _absorbed(moment, jax.lax.stop_gradient(updates), state["moment"], basis)
        (turned,) = in_turn(_iterated, jax.lax.stop_gradient(statistics), (basis,), step, every, _decomposed)
        return updates, {**turned, "moment": entries}, {"basis": basis, "ready": step > 0}

    return init, update


@transformation
def kronecker_eigensystem(moment: Moment, every: Count = 10, max_size: int = 8192) -> Any:
    """A basis for `in_basis`: eigenvectors and eigenvalues of L = moment(G Gᵀ) and R = moment(Gᵀ G), this step's gradient included.

    Decomposed at the first step and once in `every` steps after it, matrices of equal size in turns. The eigenvalues
    are there for `scale_by_eigenvalues`. A side longer than `max_size` is not turned and has the eigenvalues 1. The
    basis is a constant to derivatives. (Shampoo: Gupta et al. 2018, arXiv 1802.09568, algorithm 1.)
    """

    def init(params: PyTree) -> Any:
        check_matrices(params, "kronecker_eigensystem")
        zeros, vectors = _squares(params, max_size, _zeros), _squares(params, max_size, _eye)
        values = {f"{side}_values": jax.tree.map(lambda q: jnp.ones(q.shape[0], q.dtype), vectors[side]) for side in SIDES}
        return {**vectors, **values, "moment": {side: moment.init(zeros[side]) for side in SIDES}}

    def update(updates: PyTree, state: Any, params: PyTree = None, *, step: jax.Array) -> Any:
        basis, values = {side: state[side] for side in SIDES}, {side: state[f"{side}_values"] for side in SIDES}
        statistics, entries = _absorbed(moment, jax.lax.stop_gradient(updates), state["moment"], basis)
        basis, values = in_turn(_with_values, jax.lax.stop_gradient(statistics), (basis, values), step, every, _with_values)
        new = {**basis, **{f"{side}_values": values[side] for side in SIDES}, "moment": entries}
        basis, values = jax.tree.map(gathered, (basis, values))
        return updates, new, {"basis": basis, "spectrum": values}

    return init, update
