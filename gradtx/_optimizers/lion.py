"""Lion."""

from typing import Any

from gradtx._core.selection import Where
from gradtx._core.transformation import chain, transformation
from gradtx._core.types import Decay, LearningRate, NonNegative, OpenDecay
from gradtx._moments.stored import stored
from gradtx._moments.two_rate_average import two_rate_average
from gradtx._storage.codec import Codec
from gradtx._transforms.add_decayed_weights import add_decayed_weights
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_momentum import scale_by_momentum
from gradtx._transforms.sign import sign


@transformation
def lion(
    learning_rate: LearningRate,
    b1: Decay = 0.9,
    b2: OpenDecay = 0.99,
    weight_decay: NonNegative = 0.0,
    where: Where = None,
    storage: Codec | None = None,
) -> Any:
    """The sign of a momentum that is read at one rate and kept at another: θ ← θ − η (sign(b1 m + (1 − b1) g) + λ θ).

    One moment instead of Adam's two. Take a learning rate 3 to 10 times smaller than AdamW's and a weight decay as
    much larger. (Chen et al. 2023, algorithm 2.)
    """
    return chain(
        scale_by_momentum(stored(two_rate_average(b1, b2), storage)),
        sign(),
        add_decayed_weights(weight_decay, where),
        scale_by_learning_rate(learning_rate),
    )
