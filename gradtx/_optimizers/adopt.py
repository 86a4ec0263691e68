"""ADOPT."""

from typing import Any

from gradtx._core.selection import Where
from gradtx._core.transformation import chain, transformation
from gradtx._core.types import Decay, LearningRate, NonNegative, Positive
from gradtx._moments.ema import ema
from gradtx._moments.stored import stored
from gradtx._schedules.power_schedule import power_schedule
from gradtx._storage.codec import Codec
from gradtx._transforms.add_decayed_weights import add_decayed_weights
from gradtx._transforms.clip import clip
from gradtx._transforms.scale_by_lagged_rms import scale_by_lagged_rms
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_momentum import scale_by_momentum


@transformation
def adopt(
    learning_rate: LearningRate,
    b1: Decay = 0.9,
    b2: Decay = 0.9999,
    eps: Positive = 1e-6,
    max_delta: Positive = power_schedule(1.0, 0.25),
    weight_decay: NonNegative = 0.0,
    where: Where = None,
    storage: Codec | None = None,
) -> Any:
    """Adam that converges for any b2: θ ← θ − η (m + λ θ), m averages clip(g / max(√v, eps), ±t^¼), v that of the step before.

    Dividing before averaging, by what was known before the gradient came, makes numerator and divisor independent. The
    first gradient only sets v. `max_delta` is the bound of the clip, `where` chooses the leaves that decay. (Taniguchi et
    al. 2024, algorithm 2.)
    """
    return chain(
        scale_by_lagged_rms(b2, eps),
        clip(max_delta),
        scale_by_momentum(stored(ema(b1), storage)),
        add_decayed_weights(weight_decay, where),
        scale_by_learning_rate(learning_rate),
    )
