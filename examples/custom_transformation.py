"""Two parts of your own, used like the built-in ones: printed, swept, scheduled, checked."""

import jax
import jax.numpy as jnp

import gradtx


@gradtx.transformation
def shrink(threshold: gradtx.NonNegative):
    """Pull every element towards zero: u ← sign(u) max(|u| − threshold, 0)."""
    return gradtx.stateless(lambda updates: jax.tree.map(lambda u: jnp.sign(u) * jnp.maximum(jnp.abs(u) - threshold, 0), updates))


@gradtx.transformation
def scale_by_agreement(decay: gradtx.Decay):
    """Step further where the sign of the gradient persists: u ← |s| u, s an average of sign(u)."""

    def init(params):
        return {"signs": jax.tree.map(jnp.zeros_like, params)}

    def update(updates, state, params=None):
        signs = jax.tree.map(lambda s, u: decay * s + (1 - decay) * jnp.sign(u), state["signs"], updates)
        return jax.tree.map(lambda s, u: jnp.abs(s) * u, signs, updates), {"signs": signs}

    return init, update


@gradtx.transformation
def steady_sgd(learning_rate: gradtx.LearningRate, decay: gradtx.Decay = 0.9, threshold: gradtx.NonNegative = 0.0):
    """An optimizer is a sentence made of parts."""
    return gradtx.chain(shrink(threshold), scale_by_agreement(decay), gradtx.scale_by_learning_rate(learning_rate))


def loss(params):
    """A bowl, 25 times steeper in one direction."""
    return 0.5 * jnp.sum(jnp.array([1.0, 25.0]) * params["x"] ** 2)


def final_loss(tx):
    """The loss after 100 steps with `tx`."""

    def step(carry, _):
        params, state = carry
        updates, state = tx.update(jax.grad(loss)(params), state, params)
        return (gradtx.apply_updates(params, updates), state), None

    (params, _), _ = jax.lax.scan(step, (start, tx.init(start)), None, length=100)
    return loss(params)


start = {"x": jnp.ones(2)}
tx = steady_sgd(0.05, threshold=gradtx.linear_schedule(0.1, 0.0, 100))
print(gradtx.describe(tx, start))
print(f"\nloss after 100 steps: {final_loss(tx):.2e}")
print(f"gradient of that with respect to the optimizer:\n  {jax.grad(final_loss)(tx)}")
rates = jnp.array([0.01, 0.02, 0.04, 0.08])
print(f"learning rates {rates} give {jax.vmap(final_loss)(jax.vmap(steady_sgd)(rates))}")
