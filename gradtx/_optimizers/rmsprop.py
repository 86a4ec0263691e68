"""RMSProp."""

from typing import Any

from gradtx._core.transformation import Moment, chain, identity, transformation
from gradtx._core.types import Decay, LearningRate, Positive
from gradtx._moments.ema import ema
from gradtx._moments.stored import stored
from gradtx._storage.codec import Codec
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_momentum import scale_by_momentum
from gradtx._transforms.scale_by_rms import scale_by_rms


@transformation
def rmsprop(
    learning_rate: LearningRate, decay: Decay = 0.9, eps: Positive = 1e-8, momentum: Moment = identity(), storage: Codec | None = None
) -> Any:
    """Divide by the root of a running mean of squares: θ ← θ − η moment(g / (√ema(g²) + eps)).

    `momentum` acts on the scaled gradient, as in PyTorch. Epsilon inside the root is `scale_by_rms(ema(0.9),
    eps_root=1e-8)` in its place. (Tieleman & Hinton 2012, lecture 6.5.)
    """
    return chain(
        scale_by_rms(stored(ema(decay), storage), eps), scale_by_momentum(stored(momentum, storage)), scale_by_learning_rate(learning_rate)
    )
