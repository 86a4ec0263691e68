"""The shortest way in: an optimizer is a value with two pure functions, `init` and `update`."""

import jax
import jax.numpy as jnp

import gradtx


@jax.jit
def train_step(tx, params, state):
    """One step with any optimizer of this form; another learning rate is not another program."""
    loss, gradients = jax.value_and_grad(lambda p: jnp.sum((p["x"] - jnp.array([3.0, -1.0])) ** 2))(params)
    updates, state = tx.update(gradients, state, params)
    return gradtx.apply_updates(params, updates), state, loss


for tx in (gradtx.adam(0.1), gradtx.adam(0.3), gradtx.adam(0.3, b1=0.5)):
    params = {"x": jnp.zeros(2)}
    state = tx.init(params)
    for _ in range(100):
        params, state, loss = train_step(tx, params, state)
    print(f"{tx} reaches x = {params['x']}, loss {loss:.1e}")
print(f"compiled {train_step._cache_size()} time for three optimizers")
