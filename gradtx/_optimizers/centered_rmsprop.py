"""Centred RMSProp."""

from typing import Any

from gradtx._core.transformation import Moment, chain, identity, transformation
from gradtx._core.types import Decay, LearningRate, Positive
from gradtx._moments.ema import ema
from gradtx._moments.stored import stored
from gradtx._storage.codec import Codec
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_momentum import scale_by_momentum
from gradtx._transforms.scale_by_stddev import scale_by_stddev


@transformation
def centered_rmsprop(
    learning_rate: LearningRate, decay: Decay = 0.95, eps_root: Positive = 1e-4, momentum: Moment = identity(), storage: Codec | None = None
) -> Any:
    """Divide by a running standard deviation: θ ← θ − η moment(g / √(ema(g²) − ema(g)² + eps_root)).

    Faster than `rmsprop` where gradients keep their sign, less stable where they hardly vary. (Graves 2013, equations
    38-45.)
    """
    return chain(
        scale_by_stddev(stored(ema(decay), storage), eps_root=eps_root),
        scale_by_momentum(stored(momentum, storage)),
        scale_by_learning_rate(learning_rate),
    )
