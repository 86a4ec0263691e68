"""Tiger."""

from typing import Any

from gradtx._core.selection import Where
from gradtx._core.transformation import chain, transformation
from gradtx._core.types import Decay, LearningRate, NonNegative
from gradtx._moments.ema import ema
from gradtx._moments.stored import stored
from gradtx._storage.codec import Codec
from gradtx._transforms.add_decayed_weights import add_decayed_weights
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_momentum import scale_by_momentum
from gradtx._transforms.sign import sign


@transformation
def tiger(
    learning_rate: LearningRate, decay: Decay = 0.965, weight_decay: NonNegative = 0.01, where: Where = None, storage: Codec | None = None
) -> Any:
    """The sign of an average with weight decay: θ ← θ − η (sign(m) + λ θ), m ← β m + (1 − β) g.

    Lion with one rate; `signum` with decay. `decay` is β, `where` chooses the leaves that decay. The author's
    learning rates by kind of leaf are `scale_by_tree`'s work. (Su 2023.)
    """
    return chain(
        scale_by_momentum(stored(ema(decay), storage)),
        sign(),
        add_decayed_weights(weight_decay, where),
        scale_by_learning_rate(learning_rate),
    )
