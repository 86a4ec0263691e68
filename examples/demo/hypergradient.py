"""The gradient of the validation loss with respect to every hyperparameter of Adam, through 50 steps of training."""

from typing import NamedTuple

import digits
import jax
import jax.numpy as jnp
from training import draw_batches, train

import gradtx

STEPS = 50


class Hypergradient(NamedTuple):
    """An optimizer, the validation loss after training with it, and the derivative of that, a value of the same shape.

    `check` compares the derivatives in the logarithms with finite differences: the hyperparameters are of very different sizes.
    """

    optimizer: gradtx.GradientTransformation
    loss: float
    gradient: gradtx.GradientTransformation
    check: gradtx.GradientCheck


def run(data: digits.Digits) -> Hypergradient:
    """Differentiate through the whole training run, in float64 so that finite differences can confirm it."""
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda x: x.astype(jnp.float64) if x.dtype == jnp.float32 else x, data)
        params = digits.network(jax.random.key(0))
        batches = draw_batches(len(wide.train.labels), 32, STEPS, records=1)

        @jax.jit
        def loss_after(tx: gradtx.GradientTransformation) -> jax.Array:
            trained, _ = train(tx, params, wide.train, batches)
            return digits.cross_entropy(trained, wide.validation, penalty=0.0)

        optimizer = gradtx.adam(3e-3)
        value, gradient = jax.value_and_grad(loss_after)(optimizer)
        logarithms = jax.tree.map(jnp.log, optimizer)
        relative = jax.tree.map(lambda slope, number: slope * number, gradient, optimizer)
        check = gradtx.check_gradient(lambda logs: loss_after(jax.tree.map(jnp.exp, logs)), logarithms, lambda _: relative)
        return Hypergradient(optimizer, float(value), gradient, check)
