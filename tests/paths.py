"""The paths that gradtx takes in float64 on the problems of `tests.references`."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import gradtx as gx
from tests.references import bowl
from tests.references.problem import STEPS, Path, draws


@jax.jit
def _on_gradients(tx: gx.GradientTransformation, params: Any, gradients: Any) -> Any:
    def step(carry: Any, gradient: Any) -> Any:
        params, state = carry
        updates, state = tx.update(gradient, state, params)
        params = gx.apply_updates(params, updates)
        return (params, state), params

    return jax.lax.scan(step, (params, tx.init(params)), gradients)[1]


@jax.jit
def _on_bowl(tx: gx.GradientTransformation, x: jax.Array) -> jax.Array:
    def step(carry: Any, _: None) -> Any:
        x, state = carry
        value, gradient = jax.value_and_grad(bowl.loss)(x)
        updates, state = tx.update(gradient, state, x, value=value, value_fn=bowl.loss)
        x = gx.apply_updates(x, updates)
        return (x, state), x

    return jax.lax.scan(step, (x, tx.init(x)), None, length=STEPS)[1]


@jax.jit
def _draws(search: gx.GradientTransformation, x: jax.Array) -> jax.Array:
    def step(state: Any, _: None) -> Any:
        update, state = search.update(x, state, x, value_fn=bowl.loss, value=jnp.inf)
        return state, update

    return jax.lax.scan(step, search.init(x), None, length=STEPS)[1]


def on_gradients(tx: gx.GradientTransformation, gradients: Path) -> Path:
    """The points after every step on these gradients, from the drawn start."""
    start, _ = draws()
    with jax.enable_x64(True):
        return jax.tree.map(np.asarray, _on_gradients(tx, start, gradients))


def in_gradtx(tx: gx.GradientTransformation) -> Path:
    """The points after every step on the drawn gradients."""
    _, gradients = draws()
    return on_gradients(tx, gradients)


def on_bowl(tx: gx.GradientTransformation) -> np.ndarray:
    """The points after every step on the convex loss, from `bowl.START`."""
    with jax.enable_x64(True):
        return np.asarray(_on_bowl(tx, jnp.asarray(bowl.START)))


def drawn(search: gx.GradientTransformation) -> np.ndarray:
    """The steps that a random search draws: what it returns where any value is better than the present one."""
    with jax.enable_x64(True):
        return np.asarray(_draws(search, jnp.asarray(bowl.START)))
