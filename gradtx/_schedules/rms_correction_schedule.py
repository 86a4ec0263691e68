"""The bias correction of a root mean square, as a factor of the learning rate."""

from collections.abc import Callable

import jax

from gradtx._core.numerics import root
from gradtx._core.schedule import schedule
from gradtx._core.types import Decay


@schedule
def rms_correction_schedule(decay: Decay) -> Callable[[jax.Array], jax.Array]:
    """√(1 − βᵗ) at the t-th step, t from 1: what √v is divided by to correct it, moved into the learning rate."""
    return lambda time: root(1 - decay ** (time + 1))
