"""Warm restarts."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.joint import exceeds
from gradtx._core.schedule import schedule
from gradtx._core.types import Number, Positive
from gradtx._schedules.cosine import half_wave


def _grows(period_factor: Any) -> None:
    if exceeds(1.0, period_factor):
        raise ValueError(f"period_factor={period_factor} must be at least 1; periods that shrink would end.")


@schedule(check=_grows)
def sgdr_schedule(peak_value: Number, period: Positive, period_factor: Number = 1.0, end_value: Number = 0.0) -> Callable[[jax.Array], Any]:
    """Cosine decay with warm restarts: `peak_value` at step 0 and at each restart, almost `end_value` just before.

    The first period lasts `period` steps, each later one `period_factor` ≥ 1 times the one before. (Loshchilov &
    Hutter 2016.)
    """

    def value(time: jax.Array) -> jax.Array:
        growing = period_factor > 1
        factor = jnp.where(growing, jnp.asarray(period_factor, time.dtype), 2.0)
        cycle = _cycle(time, period, factor)
        passed = (time - _begin(cycle, period, factor)) / (period * factor**cycle)
        passed = jnp.where(growing, passed, jnp.mod(time / period, 1))
        return end_value + (peak_value - end_value) * half_wave(jnp.clip(passed, 0, 1))

    return value


def _cycle(time: jax.Array, period: Any, factor: jax.Array) -> jax.Array:
    """The number of restarts up to `time`, from logarithms but for rounding, which the begins on both sides settle."""
    guess = jnp.floor(jnp.log1p(time / period * (factor - 1)) / jnp.log1p(factor - 1))
    guess = jax.lax.stop_gradient(jnp.maximum(guess, 1))
    return guess - 1 + sum(time >= _begin(cycle, period, factor) for cycle in (guess, guess + 1))


def _begin(cycle: jax.Array, period: Any, factor: jax.Array) -> jax.Array:
    """The step at which a cycle begins, period (factorᵏ − 1) / (factor − 1); a whole number where it is one within rounding.

    A factor in this precision is off by up to half an ulp, which moves the begin by k/2 to k half ulps; the formula by
    three.
    """
    exponent = cycle * jnp.log1p(factor - 1)
    begin = period * jnp.where(exponent > 1, (factor**cycle - 1) / (factor - 1), _binomial(cycle, factor - 1))
    nearest = jnp.round(begin)
    half_ulps = 3 + (cycle - 1) * (1 + jnp.minimum(exponent, 1)) / 2
    within = jnp.abs(nearest - begin) <= half_ulps * begin * (jnp.finfo(begin.dtype).eps / 2)
    return begin + jax.lax.stop_gradient(jnp.where(within, nearest - begin, 0))


def _binomial(count: jax.Array, growth: jax.Array) -> jax.Array:
    """((1 + x)ᵏ − 1) / x = k (1 + (k − 1) x/2 (1 + (k − 2) x/3 (1 + ...))), whose rounding does not grow; 20 terms do for k x ≤ 1."""
    nested = jnp.ones_like(count * growth)
    for j in range(20, 0, -1):
        nested = 1 + jnp.maximum(count - j, 0) * growth / (j + 1) * nested
    return count * nested
