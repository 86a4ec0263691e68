"""Three loss surfaces in the plane, and the paths that optimizers take down them."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import gradtx

DECAY = 0.9


class Surface(NamedTuple):
    """A function of a point, where the paths begin, what part of the plane to show, and the learning rates.

    `rate` is for SGD, `momentum_rate` for momentum and Nesterov, whose steps add up, `adaptive_rate` for AdaGrad, RMSProp and Adam.
    """

    name: str
    value: Callable[[jax.Array], jax.Array]
    start: tuple[float, float]
    window: tuple[float, float, float, float]
    minimum: tuple[float, float]
    steps: int
    rate: float
    momentum_rate: float
    adaptive_rate: float


def ravine(point: jax.Array) -> jax.Array:
    """A long valley, 40 times steeper across than along."""
    x, y = point
    return (x**2 + 40 * y**2) / 2


def saddle(point: jax.Array) -> jax.Array:
    """Flat in the middle: up along x, down along y, with a minimum on either side."""
    x, y = point
    return x**2 - y**2 + y**4 / 4


def beale(point: jax.Array) -> jax.Array:
    """Beale's function: steep walls around a curved valley whose floor is almost level."""
    x, y = point
    return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2


SURFACES = (
    Surface("narrow ravine", ravine, (-9.0, 1.5), (-10, 3, -2.1, 2.1), (0.0, 0.0), 50, 0.0475, 0.015, 0.5),
    Surface("saddle", saddle, (-1.8, 0.01), (-2.1, 1.3, -0.6, 2.1), (0.0, 2**0.5), 60, 0.1, 0.03, 0.1),
    Surface("Beale's function", beale, (0.7, 1.4), (-0.6, 4.2, -1.3, 1.8), (3.0, 0.5), 100, 0.01, 0.003, 0.1),
)


def one_rate_methods(surface: Surface) -> dict[str, gradtx.GradientTransformation]:
    """Methods that take the same learning rate for every weight."""
    return {
        "SGD": gradtx.sgd(surface.rate),
        "momentum": gradtx.sgd(surface.momentum_rate, gradtx.trace(DECAY)),
        "Nesterov": gradtx.sgd(surface.momentum_rate, gradtx.nesterov(gradtx.trace(DECAY))),
    }


def adaptive_methods(surface: Surface) -> dict[str, gradtx.GradientTransformation]:
    """Methods that find a rate for each weight."""
    rate = surface.adaptive_rate
    return {"AdaGrad": gradtx.adagrad(rate), "RMSProp": gradtx.rmsprop(rate), "Adam": gradtx.adam(rate)}


def path(tx: gradtx.GradientTransformation, surface: Surface) -> np.ndarray:
    """The points that `tx` visits, beginning with the start: shape (steps + 1, 2)."""
    start = jnp.asarray(surface.start)

    @jax.jit
    def walk(tx: gradtx.GradientTransformation) -> jax.Array:
        def step(carry: tuple, _: None) -> tuple:
            point, state = carry
            updates, state = tx.update(jax.grad(surface.value)(point), state, point)
            point = gradtx.apply_updates(point, updates)
            return (point, state), point

        return jax.lax.scan(step, (start, tx.init(start)), None, length=surface.steps)[1]

    return np.concatenate([start[None], walk(tx)])
