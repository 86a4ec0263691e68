"""AdamC."""

from typing import Any

from gradtx._core.selection import Where
from gradtx._core.transformation import chain, transformation
from gradtx._core.types import Decay, LearningRate, NonNegative, Positive
from gradtx._moments.bias_correction import bias_correction
from gradtx._moments.ema import ema
from gradtx._moments.stored import stored
from gradtx._storage.codec import Codec
from gradtx._transforms.add_corrected_decayed_weights import add_corrected_decayed_weights
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_momentum import scale_by_momentum
from gradtx._transforms.scale_by_rms import scale_by_rms


@transformation
def adamc(
    learning_rate: LearningRate,
    max_learning_rate: Positive,
    b1: Decay = 0.9,
    b2: Decay = 0.999,
    eps: Positive = 1e-8,
    weight_decay: NonNegative = 0.01,
    where: Where = None,
    storage: Codec | None = None,
) -> Any:
    """AdamW whose decay falls with the square of the learning rate: θ ← θ − η m̂ / (√v̂ + eps) − (η² / η_max) λ θ.

    Under a schedule AdamW's gradients grow towards the end, for weights settle at a norm of √(η/λ); this holds them. For the
    leaves that a normalisation follows, chosen by `where`; for the others put `add_decayed_weights(λ, others)` into
    this chain. `max_learning_rate` is the schedule's peak. (Defazio 2025, algorithm 1.)
    """
    return chain(
        scale_by_momentum(bias_correction(stored(ema(b1), storage))),
        scale_by_rms(bias_correction(stored(ema(b2), storage)), eps),
        add_corrected_decayed_weights(weight_decay, learning_rate, max_learning_rate, where),
        scale_by_learning_rate(learning_rate),
    )
