"""AdaMax."""

from typing import Any

from gradtx._core.transformation import chain, transformation
from gradtx._core.types import Decay, LearningRate, Positive
from gradtx._moments.bias_correction import bias_correction
from gradtx._moments.ema import ema
from gradtx._moments.running_max import decaying_max
from gradtx._moments.stored import stored
from gradtx._storage.codec import Codec
from gradtx._transforms.scale_by_abs import scale_by_abs
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_momentum import scale_by_momentum


@transformation
def adamax(learning_rate: LearningRate, b1: Decay = 0.9, b2: Decay = 0.999, eps: Positive = 1e-8, storage: Codec | None = None) -> Any:
    """Adam in the infinity norm: θ ← θ − η m̂ / u, u ← max(b2 u, |g| + eps).

    It squares nothing, so it is safe against overflow, and u needs no bias correction. (Kingma & Ba 2014, algorithm
    2; eps as in PyTorch.)
    """
    return chain(
        scale_by_momentum(bias_correction(stored(ema(b1), storage))),
        scale_by_abs(stored(decaying_max(b2), storage), eps),
        scale_by_learning_rate(learning_rate),
    )
