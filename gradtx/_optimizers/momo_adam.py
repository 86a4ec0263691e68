"""MoMo-Adam."""

from typing import Any

from gradtx._core.transformation import chain, transformation
from gradtx._core.types import Decay, LearningRate, Number, Positive
from gradtx._moments.bias_correction import bias_correction
from gradtx._moments.ema import ema
from gradtx._moments.stored import stored
from gradtx._storage.codec import Codec
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_momo_adam import scale_by_momo_adam


@transformation
def momo_adam(
    learning_rate: LearningRate = 1e-2,
    b1: Decay = 0.9,
    b2: Decay = 0.999,
    eps: Positive = 1e-8,
    f_min: Number = 0.0,
    storage: Codec | None = None,
) -> Any:
    """Adam with Polyak's step size, bounded: θ ← θ − min(η, max(f̄ + ⟨m̂, θ⟩ − γ − f_min, 0) / ⟨m̂, m̂ / D⟩) m̂ / D, D = √v̂ + eps.

    m̂, v̂, f̄ and γ are corrected averages of g, g², the loss and ⟨g, θ⟩. It needs the extra `value`, the loss on the same batch, and bears a
    `learning_rate` η that is too large by an order of magnitude; where it is small enough, it is Adam. The
    paper's weight decay, a proximal step, is left out. (Schaipp et al. 2023, arXiv 2305.07583, section 4.)
    """
    first, second = (bias_correction(stored(ema(decay), storage)) for decay in (b1, b2))
    return chain(scale_by_momo_adam(learning_rate, first, second, eps, f_min), scale_by_learning_rate(learning_rate))
