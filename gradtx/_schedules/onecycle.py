"""One-cycle schedules: up once, down once, and further down."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.joint import exceeds
from gradtx._core.schedule import schedule
from gradtx._core.types import Fraction, Number, Positive
from gradtx._schedules.cosine import half_wave
from gradtx._schedules.polynomial import between, fraction


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
        rising = first + (peak_value - first) * half_wave(1 - fraction(time, 0, top))
        falling = last + (peak_value - last) * half_wave(fraction(time, top, transition_steps - top))
        return jnp.where(time < top, rising, falling)

    return value


def _in_order(pct_start: Any, pct_final: Any) -> None:
    if exceeds(pct_start, pct_final):
        raise ValueError(f"pct_final={pct_final} must be at least pct_start={pct_start}: both count from the beginning.")


@schedule(check=_in_order)
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
        last = first / final_div_factor
        top, back = pct_start * transition_steps, pct_final * transition_steps
        rising = between(first, peak_value, fraction(time, 0, top))
        falling = between(peak_value, first, fraction(time, top, back - top))
        fading = between(first, last, fraction(time, back, transition_steps - back))
        return jnp.where(time < top, rising, jnp.where(time < back, falling, fading))

    return value
