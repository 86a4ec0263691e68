"""The training loop: one function of an optimizer, so that it can be compiled, batched and differentiated like any other."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from digits import Batch, Params, cross_entropy

import gradtx
from gradtx.training import make_step

STEP = make_step(cross_entropy)


def draw_batches(examples: int, batch_size: int, steps: int, records: int) -> jax.Array:
    """Which examples each step sees, as indices of shape (records, steps in between, batch_size); every epoch is shuffled anew."""
    records = min(records, steps)
    steps -= steps % records
    generator = np.random.default_rng(0)
    per_epoch = examples // batch_size
    epochs = [generator.permutation(examples)[: per_epoch * batch_size] for _ in range(-(-steps // per_epoch))]
    order = np.concatenate(epochs)[: steps * batch_size]
    return jnp.asarray(order.reshape(records, steps // records, batch_size))


def train(tx: gradtx.GradientTransformation, params: Params, data: Batch, batches: jax.Array) -> tuple[Params, jax.Array]:
    """The trained parameters, and the loss on all of `data` at each record."""

    def step(carry: Any, indices: jax.Array) -> tuple[Any, None]:
        params, state = carry
        batch = Batch(data.images[indices], data.labels[indices])
        params, state, _ = STEP(tx, params, state, batch)
        return (params, state), None

    def record(carry: Any, indices: jax.Array) -> tuple[Any, jax.Array]:
        carry, _ = jax.lax.scan(step, carry, indices)
        return carry, cross_entropy(carry[0], data)

    (params, _), losses = jax.lax.scan(record, (params, tx.init(params)), batches)
    return params, losses
