"""Nadam's momentum, which warms up."""

from collections.abc import Callable
from typing import Any

import jax

from gradtx._core.schedule import schedule
from gradtx._core.types import Decay, NonNegative


@schedule
def nadam_momentum_schedule(b1: Decay, momentum_decay: NonNegative) -> Callable[[jax.Array], Any]:
    """μₜ = b1 (1 − 0.96^(ψ t) / 2) with t from 1: nearly b1/2 at step 0, towards b1. ψ is `momentum_decay`. (Dozat 2016.)"""
    return lambda time: b1 * (1 - 0.5 * 0.96 ** ((time + 1) * momentum_decay))
