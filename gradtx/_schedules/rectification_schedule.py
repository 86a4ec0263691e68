"""RAdam's rectification: how far the second moment of the first steps is to be trusted."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.numerics import root
from gradtx._core.schedule import schedule
from gradtx._core.types import OpenDecay


def rectification(decay: Any, weight: Any, time: Any) -> tuple[Any, jax.Array]:
    """The length ρₜ of the average that `decay` makes of `time` steps, and its variance correction; `weight` is 1 − βᵗ."""
    longest = 2 / (1 - decay) - 1
    length = longest - 2 * time * (1 - weight) / weight
    ratio = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
    return length, root(jnp.maximum(ratio, 0))


@schedule
def rectification_schedule(decay: OpenDecay) -> Callable[[jax.Array], jax.Array]:
    """r = √((ρ − 4)(ρ − 2) ρ∞ / ((ρ∞ − 4)(ρ∞ − 2) ρ)) once ρ > 4, else 0; ρ = ρ∞ − 2 t βᵗ / (1 − βᵗ), ρ∞ = 2 / (1 − β) − 1, t from 1.

    A warmup that follows from `decay` β alone, which must exceed 0.6 or it is 0 for ever: it begins behind the fourth step for 0.999, and
    is near 1 after 2 / (1 − β) steps. (Liu et al. 2019, arXiv 1908.03265, algorithm 2.)
    """

    def value(time: jax.Array) -> jax.Array:
        steps = time + 1
        # Not 1 − βᵗ, of whose digits rounding leaves few while t is small.
        weight = -jnp.expm1(steps * jnp.log1p(decay - 1))
        length, rectified = rectification(decay, weight, steps)
        return jnp.where(length > 4, rectified, 0)

    return value
