"""AdaBelief's second moment: an average with a constant added at every step."""

from typing import Any

from gradtx._core.numerics import plus
from gradtx._core.transformation import chain, stateless, transformation
from gradtx._core.types import Decay, NonNegative
from gradtx._moments.bias_correction import bias_correction
from gradtx._moments.ema import ema


@transformation
def belief_average(decay: Decay, eps: NonNegative = 1e-16) -> Any:
    """The corrected average of x with eps added at every step: s ← β s + (1 − β) x + eps, handed on as s / (1 − βᵗ).

    In the long run that is the average of x plus eps / (1 − β). (Zhuang et al. 2020, algorithm 2.)
    """
    return chain(stateless(lambda x: plus(x, by=eps / (1 - decay))), bias_correction(ema(decay)))
