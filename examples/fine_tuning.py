"""Learn to read digits, then freeze the encoder and teach a new head another question from 40 examples: odd or even?"""

import jax
import jax.numpy as jnp
from sklearn.datasets import load_digits

import gradtx
from gradtx import training

images, labels = load_digits(return_X_y=True)
images, labels = jnp.asarray(images / 16, jnp.float32), jnp.asarray(labels)
pretraining, few, rest = slice(1200), slice(1200, 1240), slice(1240, None)


def layer(key, inputs, outputs):
    """Small random weights."""
    return {"weight": jax.random.normal(key, (inputs, outputs)) / inputs**0.5, "bias": jnp.zeros(outputs)}


def scores(params, x):
    """One score for each answer."""
    for hidden in params["encoder"].values():
        x = jnp.tanh(x @ hidden["weight"] + hidden["bias"])
    return x @ params["head"]["weight"] + params["head"]["bias"]


def loss(params, batch):
    """Minus the log-probability of the right answer."""
    x, y = batch
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(scores(params, x)), y[:, None], axis=1))


def fit(tx, params, x, y):
    """The parameters after 200 steps with `tx`, each on all examples."""
    return training.fit(loss, tx, params, lambda step: (x, y), steps=200).params


def accuracy(params, x, y):
    """The share of right answers."""
    return jnp.mean(scores(params, x).argmax(axis=1) == y)


keys = jax.random.split(jax.random.key(0), 4)
scratch = {"encoder": {"a": layer(keys[0], 64, 64), "b": layer(keys[1], 64, 32)}, "head": layer(keys[2], 32, 2)}
reader = fit(gradtx.adam(3e-3), {**scratch, "head": layer(keys[3], 32, 10)}, images[pretraining], labels[pretraining])
print(f"which digit? accuracy on unseen images {accuracy(reader, images[rest], labels[rest]):.1%}\n")
params = {"encoder": reader["encoder"], "head": scratch["head"]}
tx = gradtx.freeze("encoder/*", gradtx.adam(1e-2))
print(gradtx.describe(tx, params))
tuned = fit(tx, params, images[few], labels[few] % 2)
print(f"\nencoder as before: {jax.tree.all(jax.tree.map(jnp.array_equal, params['encoder'], tuned['encoder']))}")
whole = fit(gradtx.adam(1e-2), scratch, images[few], labels[few] % 2)
for name, model in (("head on the frozen encoder", tuned), ("whole network from scratch", whole)):
    print(f"odd or even? {name}, 40 examples: accuracy on unseen images {accuracy(model, images[rest], labels[rest] % 2):.1%}")
