"""Warm restarts."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.joint import exceeds
from gradtx._core.schedule import schedule
from gradtx._core.types import Number, Positive
from gradtx._schedules.cosine import half_wave
from gradtx._schedules.two_floats import TwoFloats, added, multiplied


def _grows(period_factor: Any) -> None:
    if exceeds(1.0, period_factor):
        raise ValueError(f"period_factor={period_factor} must be at least 1; periods that shrink would end.")


@schedule(check=_grows)
def sgdr_schedule(peak_value: Number, period: Positive, period_factor: Number = 1.0, end_value: Number = 0.0) -> Callable[[jax.Array], Any]:
    """Cosine decay with warm restarts: `peak_value` at step 0 and at each restart, almost `end_value` just before.

    The first period lasts `period` steps, each later one `period_factor` ≥ 1 times the one before. A restart is at the
    first step at or after the end of a period; an end within an ulp of a step is at it. (Loshchilov & Hutter 2016.)
    """

    def value(time: jax.Array) -> jax.Array:
        numbers = (jnp.asarray(number, time.dtype) for number in (period, period_factor))
        length, factor = (jnp.broadcast_to(number, time.shape) for number in numbers)
        passed = _passed(jnp.maximum(time, 0), length, jnp.where(factor < 1, 1, factor))
        return end_value + (peak_value - end_value) * half_wave(jnp.clip(passed, 0, 1))

    return value


def _passed(time: jax.Array, period: jax.Array, factor: jax.Array) -> jax.Array:
    """How much of its cycle has passed at `time`, which is in the cycle that logarithms tell or, for their rounding, in the next."""
    growth = jnp.where(factor > 1, factor - 1, 1)
    cycles = jnp.where(factor > 1, jnp.log1p(time / period * growth) / jnp.log1p(growth), time / period)
    before = jnp.clip(jax.lax.stop_gradient(jnp.round(cycles)) - 1, 0, 2.0**31 - 128).astype(jnp.int32)
    total, power = _geometric(factor, before)
    zero = jnp.zeros_like(period)
    begin, length = multiplied(total, (period, zero)), multiplied(power, (period, zero))
    (step, rest), (next_step, next_rest) = _snapped(begin), _snapped(added(begin, length))
    return jnp.where(time - next_step >= next_rest, (time - next_step - next_rest) / (length[0] * factor), (time - step - rest) / length[0])


def _geometric(factor: jax.Array, count: jax.Array) -> tuple[TwoFloats, TwoFloats]:
    """1 + f + ... + f^(k − 1) and f^k, from the binary digits of k: twice as many terms, then one more where a digit is 1."""
    zero, one = jnp.zeros_like(factor), jnp.ones_like(factor)

    def digit(sums: tuple[TwoFloats, TwoFloats], place: jax.Array) -> tuple[tuple[TwoFloats, TwoFloats], None]:
        total, power = sums
        twice = multiplied(total, added(power, (one, zero))), multiplied(power, power)
        once_more = added(twice[0], twice[1]), multiplied(twice[1], (factor, zero))
        is_one = (count >> place) & 1 == 1
        return jax.tree.map(lambda more, same: jnp.where(is_one, more, same), once_more, twice), None

    return jax.lax.scan(digit, ((zero, zero), (one, zero)), jnp.arange(30, -1, -1, dtype=jnp.int32))[0]


def _snapped(time: TwoFloats) -> TwoFloats:
    """A time as the nearest step and what is missing to it: nothing within an ulp, which is what the numbers given are known to."""
    step = jax.lax.stop_gradient(jnp.round(time[0]))
    rest = (time[0] - step) + time[1]
    whole = jax.lax.stop_gradient(jnp.round(rest))
    step, rest = step + whole, rest - whole
    is_step = jnp.abs(rest) <= jnp.finfo(step.dtype).eps * step
    return step, rest - jax.lax.stop_gradient(jnp.where(is_step, rest, 0))
