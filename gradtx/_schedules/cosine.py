"""Schedules along a cosine: decay, warmup before it."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.joint import exceeds
from gradtx._core.schedule import schedule
from gradtx._core.types import Fraction, NonNegative, Number, Positive
from gradtx._schedules.polynomial import between, fraction


def half_wave(passed: jax.Array) -> jax.Array:
    """From 1 at 0 to 0 at 1 along half a cosine, (1 + cos πs)/2; written so that it is exact to rounding near its end as well."""
    return jnp.square(jnp.sin(0.5 * jnp.pi * (1 - passed)))


@schedule
def cosine_decay_schedule(init_value: Number, decay_steps: Positive, alpha: Fraction = 0.0) -> Callable[[jax.Array], Any]:
    """Half a cosine: `init_value` at step 0, `alpha` times that from step `decay_steps` on. (Loshchilov & Hutter 2016.)"""
    return lambda time: init_value * (alpha + (1 - alpha) * half_wave(fraction(time, 0, decay_steps)))


def _warmup_first(warmup_steps: Any, decay_steps: Any) -> None:
    if exceeds(warmup_steps, decay_steps):
        raise ValueError(
            f"decay_steps={decay_steps} must be at least warmup_steps={warmup_steps}: it counts from the beginning, the warmup included."
        )


@schedule(check=_warmup_first)
def warmup_cosine_decay_schedule(
    init_value: Number, peak_value: Number, warmup_steps: NonNegative, decay_steps: Positive, end_value: Number = 0.0
) -> Callable[[jax.Array], Any]:
    """Linear warmup, then half a cosine: `init_value` at step 0, `peak_value` at `warmup_steps`, `end_value` from `decay_steps` on.

    `decay_steps` counts from the beginning, the warmup included.
    """

    def value(time: jax.Array) -> jax.Array:
        rising = between(init_value, peak_value, fraction(time, 0, warmup_steps))
        falling = end_value + (peak_value - end_value) * half_wave(fraction(time, warmup_steps, decay_steps - warmup_steps))
        return jnp.where(time < warmup_steps, rising, falling)

    return value
