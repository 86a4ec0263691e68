"""NovoGrad."""

from typing import Any

from gradtx._core.selection import Where
from gradtx._core.transformation import chain, transformation
from gradtx._core.types import Decay, LearningRate, NonNegative, Positive
from gradtx._moments.ema_from_first import ema_from_first
from gradtx._moments.stored import stored
from gradtx._moments.trace import trace
from gradtx._storage.codec import Codec
from gradtx._transforms.add_decayed_weights import add_decayed_weights
from gradtx._transforms.scale_by_block_norm import scale_by_block_norm
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_momentum import scale_by_momentum


@transformation
def novograd(
    learning_rate: LearningRate,
    b1: Decay = 0.95,
    b2: Decay = 0.98,
    eps: Positive = 1e-8,
    weight_decay: NonNegative = 0.001,
    where: Where = None,
    storage: Codec | None = None,
) -> Any:
    """Momentum of gradients normalised layer by layer: m ← b1 m + g / (√v + eps) + λ θ, v ← b2 v + (1 − b2) ‖g‖², θ ← θ − η m.

    v begins at the first ‖g‖². One moment instead of Adam's two. The decay goes through the momentum, so it acts
    1/(1 − b1) times as strongly as AdamW's. (Ginsburg et al. 2019, algorithm 1.)
    """
    return chain(
        scale_by_block_norm(ema_from_first(b2), eps),
        add_decayed_weights(weight_decay, where),
        scale_by_momentum(stored(trace(b1), storage)),
        scale_by_learning_rate(learning_rate),
    )
