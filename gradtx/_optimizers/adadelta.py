"""Adadelta."""

from typing import Any

from gradtx._core.transformation import chain, transformation
from gradtx._core.types import Decay, LearningRate, Positive
from gradtx._moments.ema import ema
from gradtx._moments.stored import stored
from gradtx._storage.codec import Codec
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_rms import scale_by_rms
from gradtx._transforms.scale_by_step_rms import scale_by_step_rms


@transformation
def adadelta(learning_rate: LearningRate = 1.0, decay: Decay = 0.95, eps: Positive = 1e-6, storage: Codec | None = None) -> Any:
    """Steps in the unit of the weights: θ ← θ − η Δ, Δ = √(ema(Δ²) + eps) / √(ema(g²) + eps) g, the upper average one step behind.

    The paper has no learning rate, that is η = 1; eps, in both roots, sets the size of the first steps. (Zeiler 2012,
    algorithm 1.)
    """
    return chain(
        scale_by_rms(stored(ema(decay), storage), eps_root=eps),
        scale_by_step_rms(decay, eps),
        scale_by_learning_rate(learning_rate),
    )
