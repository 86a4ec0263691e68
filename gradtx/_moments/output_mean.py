"""A statistic that is shared by the inputs of each output."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.matrices import check_matrices
from gradtx._core.transformation import Moment, transformation
from gradtx._core.types import PyTree


def _means(tree: PyTree, axis: int) -> PyTree:
    inputs = 1 - axis % 2
    return jax.tree.map(lambda x: jnp.sum(x / max(x.shape[inputs], 1), axis=inputs, keepdims=True), tree)


@transformation(averages=True)
def output_mean(moment: Moment, output_axis: int = 1) -> Any:
    """The statistic of the mean over the inputs of each output: one number for each neuron of a matrix.

    `output_axis` is 1 for kernels of shape (in, out) as in Flax, 0 for (out, in). Around a second moment it makes
    NorMuon's. (Li et al. 2025, arXiv 2510.05491, algorithm 1.)
    """

    def init(params: PyTree) -> Any:
        check_matrices(params, "output_mean")
        return moment.init(_means(params, output_axis))

    def update(updates: PyTree, state: Any) -> Any:
        value, state = moment.update(_means(updates, output_axis), state)
        return jax.tree.map(lambda v, x: jnp.broadcast_to(v, x.shape), value, updates), state

    return init, update
