"""A bound on the gradient of each unit, relative to the unit's weights."""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.numerics import matched, root
from gradtx._core.transformation import transformation
from gradtx._core.trees import path_name
from gradtx._core.types import Positive, PyTree


def _unit_norm(x: jax.Array, output_axis: int) -> jax.Array:
    """The norm over the inputs of each output; of the whole for vectors and scalars."""
    inputs = tuple(axis for axis in range(x.ndim) if x.ndim < 2 or axis != output_axis % x.ndim)
    return root(jnp.sum(x * x, axis=inputs, keepdims=True))


@functools.partial(jax.jit, static_argnames="output_axis")
def _bounded(u: jax.Array, param: jax.Array, clipping: Any, eps: Any, output_axis: int) -> jax.Array:
    bound = clipping * jnp.maximum(_unit_norm(param, output_axis), eps)
    size = jax.lax.stop_gradient(jnp.max(jnp.abs(u), initial=0))  # the result does not depend on it
    size = jnp.where(size > 0, size, 1)
    small = u / size
    norm = _unit_norm(small, output_axis)
    limit = bound / size
    return jnp.where(norm > limit, small * (bound / jnp.where(norm > limit, norm, 1)), u)


def _check_axis(path: Any, leaf: Any, output_axis: int) -> None:
    if leaf.ndim > 1 and not -leaf.ndim <= output_axis < leaf.ndim:
        raise ValueError(
            f"adaptive_grad_clip: output_axis={output_axis} is no axis of the leaf at {path_name(path)}, which has shape {leaf.shape}. "
            "Write -1 for kernels of shape (in, out), 0 for (out, in)."
        )


@transformation
def adaptive_grad_clip(clipping: Positive, eps: Positive = 1e-3, output_axis: int = -1) -> Any:
    """Shrink the gradient of each unit to at most a share of the unit's weights: g ← g · min(1, λ max(‖θ‖, eps) / ‖g‖), unit by unit.

    A unit is one index of `output_axis` with all its inputs: −1 for kernels of shape (in, out) as in Flax and Haiku, 0
    for (out, in); a vector or scalar is one unit. `clipping` λ is 0.01 to 0.16, smaller for larger batches. For networks without
    normalisation. The last layer is better left out. (Brock et al. 2021, arXiv 2102.06171, equation 3.)
    """

    def init(params: PyTree) -> None:
        jax.tree_util.tree_map_with_path(functools.partial(_check_axis, output_axis=output_axis), params)

    def update(updates: PyTree, state: None, params: PyTree) -> tuple[PyTree, None]:
        def of_leaf(u: jax.Array, param: jax.Array) -> jax.Array:
            return _bounded(u, param, matched(clipping, u.dtype), matched(eps, u.dtype), output_axis)

        init(updates)
        return jax.tree.map(of_leaf, updates, params), state

    return init, update
