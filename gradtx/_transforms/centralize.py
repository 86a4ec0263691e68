"""Updates with mean zero over the inputs of each output."""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.transformation import stateless, transformation
from gradtx._core.types import PyTree


@functools.partial(jax.jit, static_argnames="output_axis")
def _centred(u: jax.Array, output_axis: int) -> jax.Array:
    if u.ndim < 2 or not u.size:
        return u
    inputs = tuple(axis for axis in range(u.ndim) if axis != output_axis % u.ndim)
    count = math.prod(u.shape[axis] for axis in inputs)
    return u - jnp.sum(u / count, axis=inputs, keepdims=True)


@transformation
def centralize(output_axis: int = -1) -> Any:
    """Subtract from each leaf of two or more axes its mean over the inputs of each output: u ← u − mean(u).

    `output_axis` is the axis of outputs: −1 for kernels of shape (in, out) as in Flax and Haiku; 0 for (out, in) as
    in Equinox and PyTorch, which is also Optax's reading. Vectors and scalars stay as they are. (Yong et al. 2020.)
    """

    def apply(updates: PyTree) -> PyTree:
        return jax.tree.map(lambda u: _centred(u, output_axis), updates)

    return stateless(apply)
