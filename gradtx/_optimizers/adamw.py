"""Adam with decoupled weight decay."""

from typing import Any

from gradtx._core.selection import Where
from gradtx._core.transformation import chain, transformation
from gradtx._core.types import Decay, LearningRate, NonNegative, Positive
from gradtx._moments.bias_correction import bias_correction
from gradtx._moments.ema import ema
from gradtx._moments.stored import stored
from gradtx._storage.codec import Codec
from gradtx._transforms.add_decayed_weights import add_decayed_weights
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_momentum import scale_by_momentum
from gradtx._transforms.scale_by_rms import scale_by_rms


@transformation
def adamw(
    learning_rate: LearningRate,
    b1: Decay = 0.9,
    b2: Decay = 0.999,
    eps: Positive = 1e-8,
    weight_decay: NonNegative = 0.01,
    where: Where = None,
    storage: Codec | None = None,
) -> Any:
    """Adam with weight decay beside the gradient instead of in it: θ ← θ − η (m̂ / (√v̂ + eps) + λ θ).

    `weight_decay` λ is multiplied by the learning rate, as in PyTorch and Optax; `where` chooses the leaves that
    decay; `storage=int8()`, or another codec, remembers both averages in fewer bytes. The usual choice for
    transformers. (Loshchilov & Hutter 2017, algorithm 2.)
    """
    return chain(
        scale_by_momentum(bias_correction(stored(ema(b1), storage))),
        scale_by_rms(bias_correction(stored(ema(b2), storage)), eps),
        add_decayed_weights(weight_decay, where),
        scale_by_learning_rate(learning_rate),
    )
