"""Warmup, plateau, cooldown."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.joint import exceeds
from gradtx._core.schedule import schedule
from gradtx._core.types import NonNegative, Number, Positive
from gradtx._schedules.polynomial import between, fraction


def _fits(warmup_steps: Any, total_steps: Any, decay_steps: Any) -> None:
    if exceeds(warmup_steps + decay_steps, total_steps):
        raise ValueError(
            f"warmup_steps={warmup_steps} and decay_steps={decay_steps} do not fit into total_steps={total_steps}. "
            "The decay takes the last steps of the total; write a larger total, or shorten one of them."
        )


@schedule(check=_fits)
def warmup_stable_decay_schedule(
    peak_value: Number, warmup_steps: NonNegative, total_steps: Positive, decay_steps: Positive, end_value: Number = 0.0
) -> Callable[[jax.Array], Any]:
    """Linear up, constant, linear down: 0 at step 0, `peak_value` from `warmup_steps` on, `end_value` from `total_steps` on.

    The way down takes the last `decay_steps`. A run can be prolonged from its plateau by a larger `total_steps`.
    (Hu et al. 2024.)
    """

    def value(time: jax.Array) -> jax.Array:
        rising = peak_value * fraction(time, 0, warmup_steps)
        falling = between(peak_value, end_value, fraction(time, total_steps - decay_steps, decay_steps))
        return jnp.where(time < warmup_steps, rising, falling)

    return value
