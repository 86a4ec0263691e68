"""Nadam with decoupled weight decay."""

from typing import Any

from gradtx._core.selection import Where
from gradtx._core.transformation import chain, transformation
from gradtx._core.types import Decay, LearningRate, NonNegative, Positive
from gradtx._moments.bias_correction import bias_correction
from gradtx._moments.dozat_average import dozat_average
from gradtx._moments.ema import ema
from gradtx._moments.stored import stored
from gradtx._schedules.joining import shifted_schedule
from gradtx._schedules.nadam_momentum_schedule import nadam_momentum_schedule
from gradtx._storage.codec import Codec
from gradtx._transforms.add_decayed_weights import add_decayed_weights
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_momentum import scale_by_momentum
from gradtx._transforms.scale_by_rms import scale_by_rms


@transformation
def nadamw(
    learning_rate: LearningRate,
    b1: Decay = 0.9,
    b2: Decay = 0.999,
    eps: Positive = 1e-8,
    weight_decay: NonNegative = 0.01,
    where: Where = None,
    momentum_decay: NonNegative = 0.004,
    storage: Codec | None = None,
) -> Any:
    """`nadam` with weight decay beside the gradient: θ ← θ − η (m̄ / (√v̂ + eps) + λ θ), m̄ the average that looks ahead.

    As PyTorch's NAdam with decoupled decay; Optax keeps the look-ahead momentum constant, which is
    `dozat_average(b1, b1, b1)` in this chain. `where` chooses the leaves that decay. (Dozat 2016; Loshchilov & Hutter 2017.)
    """
    momentum = nadam_momentum_schedule(b1, momentum_decay)
    return chain(
        scale_by_momentum(stored(dozat_average(b1, momentum, shifted_schedule(momentum, 1)), storage)),
        scale_by_rms(bias_correction(stored(ema(b2), storage)), eps),
        add_decayed_weights(weight_decay, where),
        scale_by_learning_rate(learning_rate),
    )
