"""Twelve learning rates with three weight decays each: 36 optimizers in one compiled program, on real data."""

import jax
import jax.numpy as jnp
from sklearn.datasets import load_breast_cancer

import gradtx
from gradtx.sweep import grid, sweep

measurements, labels = load_breast_cancer(return_X_y=True)
train, held_out = slice(0, 400), slice(400, None)
seen = measurements[train]
features = jnp.asarray((measurements - seen.mean(axis=0)) / seen.std(axis=0))
labels = jnp.asarray(2.0 * labels - 1)
programs = []


def loss(params, part):
    """Logistic loss on one part of the data."""
    margins = labels[part] * (features[part] @ params["weight"] + params["bias"])
    return jnp.mean(jax.nn.softplus(-margins))


def trained(tx):
    """The loss on the part held out, after 200 steps with `tx`."""

    def step(carry, _):
        params, state = carry
        updates, state = tx.update(jax.grad(loss)(params, train), state, params)
        return (gradtx.apply_updates(params, updates), state), None

    programs.append("a program")  # Python runs this function once for each program that is compiled
    params = {"weight": jnp.zeros(30), "bias": jnp.zeros(())}
    (params, _), _ = jax.lax.scan(step, (params, tx.init(params)), None, length=200)
    return {"loss": loss(params, held_out)}


rates, decays = 10.0 ** jnp.linspace(-4, 0, 12), [0.0, 0.1, 1.0]
optimizers = grid(gradtx.adamw, learning_rate=rates, weight_decay=decays)
print(f"all of them: {optimizers}")

results = sweep(trained, optimizers, progress=False)
losses = results.curve("loss").reshape(len(rates), len(decays))
print("held-out loss " + "".join(f"decay {decay:<6.1f}" for decay in decays))
for rate, row in zip(rates, losses, strict=True):
    print(f"rate {rate:<9.4f}" + "".join(f"{value:<12.4f}" for value in row))
best = results.best("loss")
print(f"best: {best.optimizer}, held-out loss {best.metrics['loss']:.4f}")
sweep(trained, jax.tree.map(lambda number: number / 2, optimizers), progress=False)
print(f"programs compiled for {2 * len(results)} optimizers: {len(programs)}")
