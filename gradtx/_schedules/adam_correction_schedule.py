"""Both bias corrections of Adam, as a factor of the learning rate."""

from collections.abc import Callable

import jax

from gradtx._core.numerics import root
from gradtx._core.schedule import schedule
from gradtx._core.types import Decay


@schedule
def adam_correction_schedule(b1: Decay, b2: Decay) -> Callable[[jax.Array], jax.Array]:
    """√(1 − b2ᵗ) / (1 − b1ᵗ) at the t-th step, t from 1: what corrects m / √v, moved into the learning rate.

    (Kingma & Ba 2014, arXiv 1412.6980, end of section 2.)
    """
    return lambda time: root(1 - b2 ** (time + 1)) / (1 - b1 ** (time + 1))
