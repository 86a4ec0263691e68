"""Are the gradients right? Each is compared with finite differences in float64."""

from typing import NamedTuple

import digits
import jax
import jax.numpy as jnp

import gradtx


class Checked(NamedTuple):
    """What was checked, the outcome, and whether the gradient is a right one."""

    title: str
    check: gradtx.GradientCheck
    right: bool


def run(data: digits.Digits) -> list[Checked]:
    """Check the gradient of both models on 50 digits; then a wrong one, to see that the check notices."""
    with jax.enable_x64(True):
        batch = digits.Batch(jnp.asarray(data.train.images[:50], jnp.float64), data.train.labels[:50])
        linear, network = digits.linear(jax.random.key(1)), digits.network(jax.random.key(2), width=8)

        def hinge(params: digits.Params) -> jax.Array:
            return digits.hinge_loss(params, batch)

        def entropy(params: digits.Params) -> jax.Array:
            return digits.cross_entropy(params, batch)

        def forgetful(params: digits.Params) -> digits.Params:
            return jax.grad(digits.hinge_loss)(params, batch, penalty=0.0)

        return [
            Checked("linear model, multiclass hinge loss + L2", gradtx.check_gradient(hinge, linear), True),
            Checked("network 64-8-10, cross-entropy + L2", gradtx.check_gradient(entropy, network), True),
            Checked("linear model, the L2 term forgotten in its gradient", gradtx.check_gradient(hinge, linear, forgetful), False),
        ]
