"""Gradient descent with decoupled weight decay."""

from typing import Any

from gradtx._core.selection import Where
from gradtx._core.transformation import Moment, chain, transformation
from gradtx._core.types import LearningRate, NonNegative
from gradtx._moments.stored import stored
from gradtx._moments.trace import trace
from gradtx._storage.codec import Codec
from gradtx._transforms.add_decayed_weights import add_decayed_weights
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_momentum import scale_by_momentum


@transformation
def sgdw(
    learning_rate: LearningRate,
    momentum: Moment = trace(0.9),
    weight_decay: NonNegative = 5e-4,
    where: Where = None,
    storage: Codec | None = None,
) -> Any:
    """Momentum with weight decay beside the gradient instead of in it: θ ← θ − η (moment(g) + λ θ).

    `weight_decay` λ is multiplied by the learning rate, as in `adamw`; in the paper it is not. Without momentum it is the L2
    penalty exactly, with `trace(ρ)` it decays 1 − ρ times as fast. `where` chooses the leaves that decay. (Loshchilov &
    Hutter 2017, algorithm 1.)
    """
    return chain(
        scale_by_momentum(stored(momentum, storage)), add_decayed_weights(weight_decay, where), scale_by_learning_rate(learning_rate)
    )
