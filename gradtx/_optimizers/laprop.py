"""LaProp."""

from typing import Any

from gradtx._core.transformation import chain, transformation
from gradtx._core.types import Decay, LearningRate, Positive
from gradtx._moments.bias_correction import bias_correction
from gradtx._moments.ema import ema
from gradtx._moments.stored import stored
from gradtx._storage.codec import Codec
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_momentum import scale_by_momentum
from gradtx._transforms.scale_by_rms import scale_by_rms


@transformation
def laprop(learning_rate: LearningRate, b1: Decay = 0.9, b2: Decay = 0.999, eps: Positive = 1e-15, storage: Codec | None = None) -> Any:
    """Adam with its two parts in the other order: θ ← θ − η ema(g / (√v̂ + eps)), the average corrected.

    Each gradient is scaled by what was known when it came, so b1 may exceed √b2 without harm. (Ziyin et al. 2020,
    algorithm 1.)
    """
    return chain(
        scale_by_rms(bias_correction(stored(ema(b2), storage)), eps),
        scale_by_momentum(bias_correction(stored(ema(b1), storage))),
        scale_by_learning_rate(learning_rate),
    )
