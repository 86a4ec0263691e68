"""Quasi-hyperbolic momentum."""

from typing import Any

from gradtx._core.transformation import chain, transformation
from gradtx._core.types import Decay, Fraction, LearningRate
from gradtx._moments.ema import ema
from gradtx._moments.quasi_hyperbolic import quasi_hyperbolic
from gradtx._moments.stored import stored
from gradtx._storage.codec import Codec
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_momentum import scale_by_momentum


@transformation
def qhm(learning_rate: LearningRate, decay: Decay = 0.999, nu: Fraction = 0.7, storage: Codec | None = None) -> Any:
    """The gradient and a long average of it: θ ← θ − η ((1 − ν) g + ν m), m ← β m + (1 − β) g.

    `decay` is β, `nu` is ν. It holds momentum (ν = 1), Nesterov's method (ν = β) and plain descent (ν = 0). (Ma & Yarats
    2018, equations 3 and 4.)
    """
    return chain(scale_by_momentum(quasi_hyperbolic(stored(ema(decay), storage), nu)), scale_by_learning_rate(learning_rate))
