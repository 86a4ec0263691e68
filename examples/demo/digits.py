"""The data and the models: handwritten digits of 8 × 8 pixels, a linear classifier, a small network."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

Params = Any


class Batch(NamedTuple):
    """Images as rows of 64 numbers in [0, 1], and their labels."""

    images: jax.Array
    labels: jax.Array


class Digits(NamedTuple):
    """1797 digits in three parts: to train on, to choose by, to report."""

    train: Batch
    validation: Batch
    test: Batch


def load() -> Digits:
    """1200 digits to train on, 237 to choose by, 360 to report, each part with its share of every digit."""
    images, labels = load_digits(return_X_y=True)
    rest, test, rest_labels, test_labels = train_test_split(images / 16, labels, test_size=360, stratify=labels, random_state=0)
    train, validation, *split = train_test_split(rest, rest_labels, test_size=237, stratify=rest_labels, random_state=0)
    parts = ((train, split[0]), (validation, split[1]), (test, test_labels))
    return Digits(*(Batch(jnp.asarray(x, jnp.float32), jnp.asarray(y)) for x, y in parts))


def linear(key: jax.Array) -> Params:
    """A linear classifier with small random weights."""
    return {"weight": 0.1 * jax.random.normal(key, (64, 10)), "bias": jnp.zeros(10)}


def network(key: jax.Array, width: int = 32) -> Params:
    """A network with one hidden layer."""
    hidden, output = jax.random.split(key)
    return {
        "hidden": {"weight": jax.random.normal(hidden, (64, width)) / 8, "bias": jnp.zeros(width)},
        "output": {"weight": jax.random.normal(output, (width, 10)) / width**0.5, "bias": jnp.zeros(10)},
    }


def _affine(layer: Params, x: jax.Array) -> jax.Array:
    return x @ layer["weight"] + layer["bias"]


def scores(params: Params, images: jax.Array) -> jax.Array:
    """Ten scores for each image."""
    return _affine(params["output"], jnp.tanh(_affine(params["hidden"], images)))


def hinge_loss(params: Params, batch: Batch, penalty: float = 1e-2) -> jax.Array:
    """The linear classifier's loss: every wrong digit should score at least 1 below the right one, plus the L2 penalty."""
    score = _affine(params, batch.images)
    right = jnp.take_along_axis(score, batch.labels[:, None], axis=1)
    wrong = jnp.arange(10) != batch.labels[:, None]
    margins = jnp.where(wrong, jnp.maximum(0, score - right + 1), 0)
    return margins.sum(axis=1).mean() + penalty / 2 * jnp.sum(params["weight"] ** 2)


def cross_entropy(params: Params, batch: Batch, penalty: float = 1e-4) -> jax.Array:
    """The network's loss: minus the log-probability of the right digit, plus the L2 penalty."""
    logarithms = jax.nn.log_softmax(scores(params, batch.images))
    right = jnp.take_along_axis(logarithms, batch.labels[:, None], axis=1)
    return -right.mean() + penalty / 2 * sum(jnp.sum(layer["weight"] ** 2) for layer in params.values())


def accuracy(params: Params, batch: Batch) -> jax.Array:
    """The share of digits whose highest score is the right one."""
    return jnp.mean(scores(params, batch.images).argmax(axis=1) == batch.labels)
