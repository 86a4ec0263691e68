"""Gradient descent, with or without momentum."""

from typing import Any

from gradtx._core.transformation import Moment, chain, identity, transformation
from gradtx._core.types import LearningRate
from gradtx._moments.stored import stored
from gradtx._storage.codec import Codec
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_momentum import scale_by_momentum


@transformation
def sgd(learning_rate: LearningRate, momentum: Moment = identity(), storage: Codec | None = None) -> Any:
    """Gradient descent: θ ← θ − η moment(g). Batch, mini-batch or stochastic by what the gradient was taken on.

    `momentum` is a part: `trace(0.9)` for heavy-ball v = ρ v + g, `ema(0.9)` for v = β v + (1 − β) g,
    `nesterov(trace(0.9))` for Nesterov's method; none when left out. (Robbins & Monro 1951; Polyak 1964; Nesterov
    1983.)
    """
    return chain(scale_by_momentum(stored(momentum, storage)), scale_by_learning_rate(learning_rate))
