"""AMSGrad."""

from typing import Any

from gradtx._core.transformation import chain, transformation
from gradtx._core.types import Decay, LearningRate, Positive
from gradtx._moments.bias_correction import bias_correction
from gradtx._moments.ema import ema
from gradtx._moments.running_max import running_max
from gradtx._moments.stored import stored
from gradtx._storage.codec import Codec
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_momentum import scale_by_momentum
from gradtx._transforms.scale_by_rms import scale_by_rms


@transformation
def amsgrad(learning_rate: LearningRate, b1: Decay = 0.9, b2: Decay = 0.999, eps: Positive = 1e-8, storage: Codec | None = None) -> Any:
    """Adam that divides by the largest second moment so far: θ ← θ − η m̂ / (√(max v / (1 − b2ᵗ)) + eps).

    A rare large gradient is not forgotten. The maximum is of the uncorrected v, corrected afterwards, as in PyTorch;
    the paper itself corrects nothing, and Optax takes the maximum of corrected moments: three methods, each a
    sentence of these parts. (Reddi et al. 2018.)
    """
    return chain(
        scale_by_momentum(bias_correction(stored(ema(b1), storage))),
        scale_by_rms(bias_correction(stored(running_max(ema(b2)), storage)), eps),
        scale_by_learning_rate(learning_rate),
    )
