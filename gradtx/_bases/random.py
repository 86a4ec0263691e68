"""Random directions."""

from typing import Any, cast

import jax

from gradtx._bases.low_rank import of_shorter_side
from gradtx._core.matrices import check_matrices
from gradtx._core.random import leaf_keys
from gradtx._core.transformation import transformation
from gradtx._core.types import Count, Key, PyTree


@transformation
def random_basis(rank: Count, key: Key, every: Count = 200) -> Any:
    """A basis for `in_basis` and its kin: `rank` random directions on the shorter side of each matrix, of variance 1/rank an element.

    They are a function of the key, the leaf's path and the number of `every` steps that passed: nothing is stored. (APOLLO: Zhu et
    al. 2024, arXiv 2412.05270, algorithm 1.)
    """

    def init(params: PyTree) -> None:
        check_matrices(params, "random_basis")

    def update(updates: PyTree, state: None, params: PyTree = None, *, step: jax.Array) -> Any:
        def drawn(u: jax.Array, leaf_key: jax.Array) -> jax.Array:
            return jax.random.normal(leaf_key, (min(u.shape), rank), u.dtype) / float(rank) ** 0.5

        axes = jax.tree.map(drawn, updates, leaf_keys(cast(jax.Array, key), step // every, updates))
        return updates, state, {"basis": of_shorter_side(updates, axes)}

    return init, update
