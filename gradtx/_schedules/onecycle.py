"""One-cycle schedules: up once, down once, and further down."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.schedule import schedule
from gradtx._core.types import Fraction, Number, Positive
from gradtx._schedules.cosine import half_wave
from gradtx._schedules.polynomial import fraction


@schedule
def cosine_onecycle_schedule(
    transition_steps: Positive,
    peak_value: Number,
    pct_start: Fraction = 0.3,
    div_factor: Positive = 25.0,
    final_div_factor: Positive = 1e4,
) -> Callable[[jax.Array], Any]:
    """Half a cosine up, half a cosine down: peak/div_factor at step 0, `peak_value` at pct_start · transition_steps.

    From step `transition_steps` on it is 1/final_div_factor of the first value. (Smith & Topin 2017.)
    """

    def value(time: jax.Array) -> jax.Array:
        first = peak_value / div_factor
        last = first / final_div_factor
        top = pct_start * transition_steps
        rising = peak_value + (first - peak_value) * half_wave(fraction(time, 0, jnp.maximum(top, 1e-6)))
        falling = last + (peak_value - last) * half_wave(fraction(time, top, jnp.maximum(transition_steps - top, 1e-6)))
        return jnp.where(time < top, rising, falling)

    return value


@schedule
def linear_onecycle_schedule(
    transition_steps: Positive,
    peak_value: Number,
    pct_start: Fraction = 0.3,
    pct_final: Fraction = 0.85,
    div_factor: Positive = 25.0,
    final_div_factor: Positive = 1e4,
) -> Callable[[jax.Array], Any]:
    """Straight lines up and down: peak/div_factor at step 0, `peak_value` at pct_start, the first value again at pct_final.

    From step `transition_steps` on it is 1/final_div_factor of the first value; `pct_start` and `pct_final` are fractions
    of `transition_steps`. (Smith & Topin 2017.)
    """

    def value(time: jax.Array) -> jax.Array:
        first = peak_value / div_factor
        corners = jnp.stack([jnp.asarray(corner, time.dtype) for corner in (0.0, pct_start, pct_final, 1.0)])
        values = jnp.stack([jnp.asarray(v, time.dtype) for v in (first, peak_value, first, first / final_div_factor)])
        return jnp.interp(time / transition_steps, corners, values)

    return value
