"""A small language model: the characters before the next one, embedded, through two hidden layers with a residual between them."""

import jax
import jax.numpy as jnp
from text import CHARACTERS, CONTEXT

import gradtx

FEATURES, WIDTH = 16, 128
SHAPES = {
    "embedding": (CHARACTERS, FEATURES),
    "hidden/0": (CONTEXT * FEATURES, WIDTH),
    "hidden/1": (WIDTH, WIDTH),
    "hidden/2": (WIDTH, WIDTH),
    "head": (WIDTH, CHARACTERS),
    "gain": (WIDTH,),
    "bias": (CHARACTERS,),
}
ROLES = gradtx.roles(("embedding", "embedding"), ("hidden/*", "matrix"), ("head", "head"), ("gain", "norm"), ("bias", "bias"))

Params = dict[str, jax.Array]


def initialised(key: jax.Array) -> Params:
    """Weights whose outputs have the size of their inputs; gains of one, biases of zero."""
    keys = dict(zip(SHAPES, jax.random.split(key, len(SHAPES)), strict=True))
    params = {name: jax.random.normal(keys[name], shape) / shape[0] ** 0.5 for name, shape in SHAPES.items() if len(shape) == 2}
    params["embedding"] = params["embedding"] * CHARACTERS**0.5 * 0.5
    return params | {"gain": jnp.ones(WIDTH), "bias": jnp.zeros(CHARACTERS)}


def _normalised(x: jax.Array) -> jax.Array:
    return x * jax.lax.rsqrt(jnp.mean(x * x, axis=-1, keepdims=True) + 1e-6)


def loss(params: Params, contexts: jax.Array, targets: jax.Array) -> jax.Array:
    """Mean cross-entropy of the next character, in nats."""
    x = params["embedding"][contexts].reshape(len(contexts), -1)
    x = jax.nn.gelu(_normalised(x) @ params["hidden/0"])
    x = x + jax.nn.gelu(_normalised(x) @ params["hidden/1"]) @ params["hidden/2"]
    logits = (_normalised(x) * params["gain"]) @ params["head"] + params["bias"]
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), targets[:, None], axis=-1))
