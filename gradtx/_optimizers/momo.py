"""MoMo."""

from typing import Any

from gradtx._core.transformation import chain, transformation
from gradtx._core.types import Decay, LearningRate, Number
from gradtx._moments.ema_from_first import ema_from_first
from gradtx._moments.stored import stored
from gradtx._storage.codec import Codec
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_momo import scale_by_momo


@transformation
def momo(learning_rate: LearningRate = 1.0, decay: Decay = 0.9, f_min: Number = 0.0, storage: Codec | None = None) -> Any:
    """Momentum with Polyak's step size, bounded: θ ← θ − min(η, max(f̄ + ⟨d, θ⟩ − γ − f_min, 0) / ‖d‖²) d.

    d, f̄ and γ are averages of the gradient, the loss and ⟨g, θ⟩. It needs the extra `value`, the loss on the same batch, and bears a
    `learning_rate` η that is too large by orders of magnitude. No weight decay:
    it belongs into the loss. (Schaipp et al. 2023, arXiv 2305.07583.)
    """
    moment = stored(ema_from_first(decay), storage)
    return chain(scale_by_momo(learning_rate, moment, f_min), scale_by_learning_rate(learning_rate))
