"""Adam without bias correction."""

from typing import Any

from gradtx._core.transformation import chain, transformation
from gradtx._core.types import Decay, LearningRate, Positive
from gradtx._moments.ema import ema
from gradtx._moments.stored import stored
from gradtx._storage.codec import Codec
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_momentum import scale_by_momentum
from gradtx._transforms.scale_by_rms import scale_by_rms


@transformation
def uncorrected_adam(
    learning_rate: LearningRate, b1: Decay = 0.9, b2: Decay = 0.999, eps: Positive = 1e-8, storage: Codec | None = None
) -> Any:
    """Adam without bias correction: θ ← θ − η m / (√v + eps).

    The first step is (1 − b1)/√(1 − b2) times Adam's, 3.2 η with the defaults, and it takes about 1/(1 − b2) steps
    until that has faded. To see what the correction is for.
    """
    return chain(
        scale_by_momentum(stored(ema(b1), storage)), scale_by_rms(stored(ema(b2), storage), eps), scale_by_learning_rate(learning_rate)
    )
