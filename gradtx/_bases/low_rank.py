"""The directions of the largest singular values of the gradient."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._bases.turns import in_turn
from gradtx._core.layouts import whole
from gradtx._core.matrices import check_matrices, gathered
from gradtx._core.numerics import cut_off, leafwise
from gradtx._core.transformation import transformation
from gradtx._core.types import Count, PyTree


def of_shorter_side(params: PyTree, axes: PyTree) -> dict[str, PyTree]:
    """Axes for the shorter side of each matrix, the left one if it is wide, as a basis publishes them."""

    def on(side: bool) -> PyTree:
        return jax.tree.map(lambda p, q: q if (p.shape[0] < p.shape[1]) == side else None, params, axes)

    return {"left": on(True), "right": on(False)}


@leafwise
def _wide(g: jax.Array) -> jax.Array:
    g = cut_off(gathered(whole(g)))
    return g if g.shape[0] < g.shape[1] else g.mT


@transformation
def low_rank_basis(rank: Count, every: Count = 200) -> Any:
    """A basis for `in_basis`: the `rank` largest singular directions of the gradient, on the shorter side of each matrix.

    What runs in it has state for `rank` rows of the longer side alone. The singular value decomposition of this step's
    gradient is taken at the first step and once in `every` steps, matrices of equal shape in turns. What is remembered in
    the old directions is kept for the new ones, whose signs are chosen to agree with the old. The basis is a constant to
    derivatives. (GaLore: Zhao et al. 2024, arXiv 2403.03507, algorithm 2.)
    """

    def init(params: PyTree) -> Any:
        check_matrices(params, "low_rank_basis")
        return {"axes": jax.tree.map(lambda p: jnp.eye(min(p.shape), min(rank, *p.shape), dtype=p.dtype), params)}

    def decomposed(gradients: jax.Array, axes: jax.Array) -> tuple[jax.Array]:
        vectors = jnp.linalg.svd(gradients, full_matrices=False)[0][..., : axes.shape[-1]]
        along = jnp.sum(vectors * axes, axis=-2, keepdims=True)
        return (jnp.where(along < 0, -vectors, vectors),)

    def update(updates: PyTree, state: Any, params: PyTree = None, *, step: jax.Array) -> Any:
        gradients = jax.lax.stop_gradient(_wide(updates))
        (axes,) = in_turn(decomposed, gradients, (state["axes"],), step, every, decomposed)
        return updates, {"axes": axes}, {"basis": of_shorter_side(updates, jax.tree.map(gathered, axes))}

    return init, update
