"""Twelve learning rates with three weight decays each: 36 optimizers in one compiled program, on real data."""

import jax
import jax.numpy as jnp
from sklearn.datasets import load_breast_cancer

import gradtx

measurements, labels = load_breast_cancer(return_X_y=True)
train, held_out = slice(0, 400), slice(400, None)
seen = measurements[train]
features = jnp.asarray((measurements - seen.mean(axis=0)) / seen.std(axis=0))
labels = jnp.asarray(2.0 * labels - 1)


def loss(params, part):
    """Logistic loss on one part of the data."""
    margins = labels[part] * (features[part] @ params["weight"] + params["bias"])
    return jnp.mean(jax.nn.softplus(-margins))


def trained(tx):
    """The loss on the part held out after 200 steps with `tx`."""

    def step(carry, _):
        params, state = carry
        updates, state = tx.update(jax.grad(loss)(params, train), state, params)
        return (gradtx.apply_updates(params, updates), state), None

    params = {"weight": jnp.zeros(30), "bias": jnp.zeros(())}
    (params, _), _ = jax.lax.scan(step, (params, tx.init(params)), None, length=200)
    return loss(params, held_out)


rates = 10.0 ** jnp.linspace(-4, 0, 12)
decays = jnp.array([0.0, 0.1, 1.0])
grid = [axis.ravel() for axis in jnp.meshgrid(rates, decays, indexing="ij")]
optimizers = jax.vmap(lambda rate, decay: gradtx.adamw(rate, weight_decay=decay))(*grid)
print(f"all of them: {optimizers}")

sweep = jax.jit(jax.vmap(trained))
losses = sweep(optimizers)
print("held-out loss " + "".join(f"decay {decay:<6.1f}" for decay in decays))
for rate, row in zip(rates, losses.reshape(len(rates), -1), strict=True):
    print(f"rate {rate:<9.4f}" + "".join(f"{value:<12.4f}" for value in row))
best = jax.tree.map(lambda number: float(number[jnp.nanargmin(losses)]), optimizers)
print(f"best: {best}, held-out loss {jnp.nanmin(losses):.4f}")
sweep(jax.tree.map(lambda number: number / 2, optimizers))
print(f"programs compiled for {2 * len(losses)} optimizers: {sweep._cache_size()}")
