"""The noise that hides one example among those of a batch."""

from typing import Any

import jax

from gradtx._core.numerics import matched
from gradtx._core.random import leaf_keys, normal_like
from gradtx._core.transformation import stateless, transformation
from gradtx._core.types import Key, NonNegative, Positive, PyTree


@transformation
def add_private_noise(max_norm: Positive, noise_multiplier: NonNegative, batch_size: Positive, key: Key) -> Any:
    """Add Gaussian noise as large as what one example may do, times σ: u ← u + σ C / B · ξ, ξ ~ N(0, I).

    For means of B = `batch_size` gradients that were bounded one by one: `per_example_clip_by_global_norm(gradients, max_norm)`, with the
    same `max_norm` C. The noise is a function of the key, the step and the leaf's path: keep the key to yourself, and never use it for a
    second run on the same data. (Abadi et al. 2016, algorithm 1.)
    """

    def apply(updates: PyTree, *, step: jax.Array) -> PyTree:
        def noisy(u: jax.Array, leaf_key: jax.Array) -> jax.Array:
            sensitivity = matched(max_norm, u.dtype) / matched(batch_size, u.dtype)
            return u + matched(noise_multiplier, u.dtype) * sensitivity * normal_like(u, leaf_key)

        return jax.tree.map(noisy, updates, leaf_keys(key, step, updates))

    return stateless(apply)
