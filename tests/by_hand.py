"""Steps written in `jax.numpy` for one leaf, without any library: XLA needs no less memory for them than for these lines."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

import gradtx as gx

RATE, B1, B2, EPS, DECAY = 0.1, 0.9, 0.99, 1e-3, 0.1


@dataclasses.dataclass(frozen=True)
class ByHand:
    """A rule `(x, slots, count, g) -> (x, slots)` with the `tx` that does the same; `slots` are its arrays as they begin, made of x."""

    tx: gx.GradientTransformation
    rule: Callable[..., Any]
    slots: Callable[[Any], tuple[Any, ...]]

    def step(self, x: Any, state: Any, g: Any) -> Any:
        """One step; the state are slots and the count of the steps before."""
        slots, count = state
        x, slots = self.rule(x, slots, count, g)
        return x, (slots, count + 1)

    def init(self, x: Any) -> Any:
        return self.slots(x), jnp.zeros((), jnp.float32)


def zeros(count: int) -> Callable[[Any], tuple[Any, ...]]:
    return lambda x: tuple(jnp.zeros_like(x) for _ in range(count))


def average(m: Any, g: Any, decay: float) -> Any:
    return decay * m + (1 - decay) * g


def unbiased(m: Any, decay: float, count: Any) -> Any:
    return m / (1 - decay ** (count + 1))


def acprop(x, slots, t, g):
    m, s = slots
    x = x - RATE * jnp.where(t > 0, g / (jnp.sqrt(s / jnp.where(t > 0, 1 - B2**t, 1)) + EPS), g)
    m = average(m, g, B1)
    return x, (m, average(s, (g - m) ** 2, B2) + EPS)


def adadelta(x, slots, t, g):
    of_gradient, of_step = slots
    of_gradient = average(of_gradient, g * g, B2)
    u = jnp.sqrt(of_step + EPS) / jnp.sqrt(of_gradient + EPS) * g
    return x - RATE * u, (of_gradient, average(of_step, u * u, B2))


def adan(x, slots, t, g):
    m, v, n, before = slots
    difference = jnp.where(t > 0, g - before, 0)
    m, v, n = average(m, g, B1), average(v, difference, B1), average(n, (g + B1 * difference) ** 2, B2)
    u = (unbiased(m, B1, t) + B1 * unbiased(v, B1, t)) / (jnp.sqrt(unbiased(n, B2, t)) + EPS)
    return (x - RATE * u) / (1 + RATE * DECAY), (m, v, n, g)


def adopt(x, slots, t, g):
    m, v = slots
    bound = t**0.25
    m = average(m, jnp.where(t > 0, jnp.clip(g / jnp.maximum(jnp.sqrt(v), EPS), -bound, bound), 0), B1)
    return x - RATE * m, (m, jnp.where(t > 0, average(v, g * g, B2), g * g))


def cocob(x, slots, t, g):
    start, total, absolute, reward, largest = slots
    largest, absolute = jnp.maximum(largest, jnp.abs(g)), absolute + jnp.abs(g)
    reward, total = jnp.maximum(reward - (x - start) * g, 0), total - g
    x = start + total / (largest * jnp.maximum(absolute + largest, 100 * largest)) * (largest + reward)
    return x, (start, total, absolute, reward, largest)


def ftrl(x, slots, t, g):
    z, n = slots
    after = n + g * g
    z = z + g - (jnp.sqrt(after) - jnp.sqrt(n)) / RATE * x
    beyond = jnp.sign(z) * jnp.maximum(jnp.abs(z) - 0.01, 0)
    return -beyond / ((1 + jnp.sqrt(after)) / RATE + 0.1), (z, after)


def mars_adamw(x, slots, t, g):
    m, v, before = slots
    c = g + 0.025 * B1 / (1 - B1) * jnp.where(t > 0, g - before, 0)
    c = c / jnp.maximum(1, jnp.sqrt(jnp.sum(c * c)))
    m, v = average(m, c, B1), average(v, c * c, B2)
    return x - RATE * (unbiased(m, B1, t) / (jnp.sqrt(unbiased(v, B2, t)) + EPS) + DECAY * x), (m, v, g)


def optimistic_adam(x, slots, t, g):
    m, v, before = slots
    m, v = average(m, g, B1), average(v, g * g, B2)
    u = unbiased(m, B1, t) / (jnp.sqrt(unbiased(v, B2, t)) + EPS)
    return x - RATE * (u + jnp.where(t > 0, u - before, 0)), (m, v, u)


def optimistic_gradient_descent(x, slots, t, g):
    (before,) = slots
    return x - RATE * (g + jnp.where(t > 0, g - before, 0)), (g,)


def rprop(x, slots, t, g):
    size, sign = slots
    agreement = jnp.sign(g) * sign
    size = jnp.where(agreement == 0, size, jnp.clip(size * jnp.where(agreement > 0, 1.2, 0.5), 1e-6, 50.0))
    sign = jnp.where(agreement < 0, 0, jnp.sign(g))
    return x - sign * size, (size, sign)


def schedule_free_adamw(x, slots, t, g):
    z, v, total = slots
    mean = (x - (1 - B1) * z) / B1
    v = average(v, g * g, B2)
    rate = RATE * jnp.sqrt(1 - B2 ** (t + 1))
    z = z - rate * (g / (jnp.sqrt(v) + EPS) + DECAY * x)
    total = total + rate**2
    mean = mean + rate**2 / total * (z - mean)
    return (1 - B1) * z + B1 * mean, (z, v, total)


def started(count: int) -> Callable[[Any], tuple[Any, ...]]:
    return lambda x: (jnp.array(x, copy=True), *zeros(count)(x))


BY_HAND = {
    "acprop": ByHand(gx.acprop(RATE, B1, B2, EPS, EPS), acprop, zeros(2)),
    "adadelta": ByHand(gx.adadelta(RATE, B2, EPS), adadelta, zeros(2)),
    "adan": ByHand(gx.adan(RATE, B1, B1, B2, EPS, weight_decay=DECAY), adan, zeros(4)),
    "adopt": ByHand(gx.adopt(RATE, B1, B2, EPS), adopt, zeros(2)),
    "cocob": ByHand(gx.cocob(), cocob, started(4)),
    "ftrl": ByHand(gx.ftrl(RATE, l1=0.01, l2=0.1), ftrl, zeros(2)),
    "mars_adamw": ByHand(gx.mars_adamw(RATE, B1, B2, EPS, weight_decay=DECAY), mars_adamw, zeros(3)),
    "optimistic_adam": ByHand(gx.optimistic_adam(RATE, b1=B1, b2=B2, eps=EPS), optimistic_adam, zeros(3)),
    "optimistic_gradient_descent": ByHand(gx.optimistic_gradient_descent(RATE), optimistic_gradient_descent, zeros(1)),
    "rprop": ByHand(gx.rprop(RATE), rprop, lambda x: (jnp.full_like(x, RATE), jnp.zeros_like(x))),
    "schedule_free_adamw": ByHand(
        gx.schedule_free_adamw(RATE, B1, B2, EPS, weight_decay=DECAY),
        schedule_free_adamw,
        lambda x: (jnp.array(x, copy=True), jnp.zeros_like(x), jnp.zeros((), x.dtype)),
    ),
}


def trained(step: Callable[..., Any], x: jax.Array, state: Any, gradients: jax.Array) -> jax.Array:
    """Where so many steps lead."""
    for g in gradients:
        x, state = step(x, state, g)
    return x
