"""Schedules that fall for ever: exponentially, like 1/t, like 1/√t."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.schedule import schedule
from gradtx._core.types import NonNegative, Number, Positive


@schedule
def exponential_decay(
    init_value: Number, transition_steps: Positive, decay_rate: Positive, transition_begin: Number = 0.0
) -> Callable[[jax.Array], Any]:
    """init · rate^(t / transition_steps): `init_value` until step `transition_begin`, then towards 0.

    Every `transition_steps` steps multiply it by `decay_rate`.
    """
    return lambda time: init_value * decay_rate ** (jnp.maximum(time - transition_begin, 0) / transition_steps)


@schedule
def staircase_decay(init_value: Number, transition_steps: Positive, decay_rate: Positive) -> Callable[[jax.Array], Any]:
    """init · rate^⌊t / transition_steps⌋, step decay: `init_value` at first, then towards 0 in jumps.

    Every `transition_steps`-th step multiplies it by `decay_rate`.
    """
    return lambda time: init_value * decay_rate ** jnp.floor(time / transition_steps)


@schedule
def inverse_time_decay(init_value: Number, decay_rate: NonNegative) -> Callable[[jax.Array], Any]:
    """init / (1 + k t): `init_value` at step 0, half of it at step 1/k, towards 0. Adagrad's `lr_decay` in PyTorch."""
    return lambda time: init_value / (1 + decay_rate * time)


@schedule
def inverse_sqrt_schedule(peak_value: Number, warmup_steps: Positive) -> Callable[[jax.Array], Any]:
    """Linear from 0 to `peak_value` at step `warmup_steps`, then peak · √(warmup_steps / t), towards 0. (Vaswani et al. 2017.)"""

    def value(time: jax.Array) -> jax.Array:
        lasts = warmup_steps > 0
        warmup = jnp.where(lasts, warmup_steps, 1)
        return peak_value * jnp.where(lasts, jnp.minimum(time / warmup, jnp.sqrt(warmup / jnp.maximum(time, warmup))), 0)

    return value
