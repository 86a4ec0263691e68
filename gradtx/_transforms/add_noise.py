"""Gaussian noise that fades."""

from typing import Any

import jax

from gradtx._core.numerics import matched, root
from gradtx._core.random import leaf_keys, normal_like
from gradtx._core.transformation import stateless, transformation
from gradtx._core.types import Key, NonNegative, PyTree


@transformation
def add_noise(eta: NonNegative, gamma: NonNegative, key: Key) -> Any:
    """Add Gaussian noise of variance η / (1 + t)^γ: u ← u + σₜ ξ.

    t counts from 0. The noise is a function of the key, the step and the leaf's path alone: nothing is stored, and a
    resumed run repeats it. (Neelakantan et al. 2015, with γ = 0.55.)
    """

    def apply(updates: PyTree, *, step: jax.Array) -> PyTree:
        def noisy(u: jax.Array, leaf_key: jax.Array) -> jax.Array:
            time = step.astype(u.dtype)
            deviation = root(matched(eta, u.dtype) / (1 + time) ** matched(gamma, u.dtype))
            return u + deviation * normal_like(u, leaf_key)

        return jax.tree.map(noisy, updates, leaf_keys(key, step, updates))

    return stateless(apply)
