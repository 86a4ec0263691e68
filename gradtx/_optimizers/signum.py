"""Signum: the sign of momentum."""

from typing import Any

from gradtx._core.transformation import chain, transformation
from gradtx._core.types import Decay, LearningRate
from gradtx._moments.ema import ema
from gradtx._moments.stored import stored
from gradtx._storage.codec import Codec
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_momentum import scale_by_momentum
from gradtx._transforms.sign import sign


@transformation
def signum(learning_rate: LearningRate, decay: Decay = 0.9, storage: Codec | None = None) -> Any:
    """The sign of an average: θ ← θ − η sign(β m + (1 − β) g). With `decay` β = 0 it is sign descent. (Bernstein et al. 2018.)"""
    return chain(scale_by_momentum(stored(ema(decay), storage)), sign(), scale_by_learning_rate(learning_rate))
