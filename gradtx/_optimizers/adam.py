"""Adam."""

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
def adam(learning_rate: LearningRate, b1: Decay = 0.9, b2: Decay = 0.999, eps: Positive = 1e-8, storage: Codec | None = None) -> Any:
    """Momentum over root mean square, both bias-corrected: θ ← θ − η m̂ / (√v̂ + eps).

    m and v are averages of the gradient and of its square, with decays `b1` and `b2`. A step is at most about η in
    each weight. A first choice when scales differ between weights; `adamw` adds weight decay. `storage=int8()`, or another
    codec, remembers both averages in fewer bytes. (Kingma & Ba 2014, algorithm 1.)
    """
    return chain(
        scale_by_momentum(bias_correction(stored(ema(b1), storage))),
        scale_by_rms(bias_correction(stored(ema(b2), storage)), eps),
        scale_by_learning_rate(learning_rate),
    )
