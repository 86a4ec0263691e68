"""The shortest way in: an optimizer is a value, an argument of the training step."""

import jax.numpy as jnp

import gradtx
from gradtx import training


def loss(params, target):
    """The squared distance from the target."""
    return jnp.sum((params["x"] - target) ** 2)


step = training.make_step(loss)
for tx in (gradtx.adam(0.1), gradtx.adam(0.3), gradtx.adam(0.3, b1=0.5)):
    params = {"x": jnp.zeros(2)}
    state = tx.init(params)
    for _ in range(100):
        params, state, metrics = step(tx, params, state, jnp.array([3.0, -1.0]))
    print(f"{tx} reaches x = {params['x']}, loss {metrics.value:.1e}")
print(f"compiled {step.compilations} time for three optimizers")
