"""RAdam."""

from typing import Any

from gradtx._core.transformation import chain, transformation
from gradtx._core.types import Decay, LearningRate, OpenDecay, Positive
from gradtx._moments.bias_correction import bias_correction
from gradtx._moments.ema import ema
from gradtx._moments.stored import stored
from gradtx._storage.codec import Codec
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_momentum import scale_by_momentum
from gradtx._transforms.scale_by_rectified_rms import scale_by_rectified_rms


@transformation
def radam(learning_rate: LearningRate, b1: Decay = 0.9, b2: OpenDecay = 0.999, eps: Positive = 1e-8, storage: Codec | None = None) -> Any:
    """Adam with the variance of its first steps rectified: θ ← θ − η rₜ m̂ √(1 − b2ᵗ) / (√v + eps), plain momentum at first.

    It warms up by itself: while too few gradients were seen (ρₜ ≤ 5, where the paper has 4) it steps along m̂. (Liu et al.
    2019, algorithm 2; threshold and epsilon as in PyTorch.)
    """
    return chain(
        scale_by_momentum(bias_correction(stored(ema(b1), storage))),
        scale_by_rectified_rms(b2, eps, storage),
        scale_by_learning_rate(learning_rate),
    )
