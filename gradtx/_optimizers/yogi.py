"""Yogi."""

from typing import Any

from gradtx._core.transformation import chain, transformation
from gradtx._core.types import Decay, LearningRate, NonNegative, Positive
from gradtx._moments.ema import ema
from gradtx._moments.stored import stored
from gradtx._moments.yogi_average import yogi_average
from gradtx._storage.codec import Codec
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_momentum import scale_by_momentum
from gradtx._transforms.scale_by_rms import scale_by_rms


@transformation
def yogi(
    learning_rate: LearningRate,
    b1: Decay = 0.9,
    b2: Decay = 0.999,
    eps: Positive = 1e-3,
    initial: NonNegative = 1e-6,
    storage: Codec | None = None,
) -> Any:
    """Adam whose second moment moves by a bounded amount: θ ← θ − η m / (√v + eps), v ← v − (1 − b2) sign(v − g²) g².

    Neither moment is corrected. (Zaheer et al. 2018, algorithm 2.)
    """
    return chain(
        scale_by_momentum(stored(ema(b1), storage)),
        scale_by_rms(stored(yogi_average(b2, initial), storage), eps),
        scale_by_learning_rate(learning_rate),
    )
