"""The decay of Adafactor's second moment."""

from collections.abc import Callable
from typing import Any

import jax

from gradtx._core.schedule import schedule
from gradtx._core.types import Positive


@schedule
def adafactor_decay_schedule(exponent: Positive = 0.8) -> Callable[[jax.Array], Any]:
    """1 − t^(−c), with t from 1: 0 at step 0, so that an average begins at its first value, towards 1.

    An average with this decay needs no bias correction. (Shazeer & Stern 2018, section 7.2, with c = 0.8.)
    """
    return lambda time: 1 - (time + 1) ** -exponent
