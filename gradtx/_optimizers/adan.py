"""Adan."""

from typing import Any

from gradtx._core.selection import Where
from gradtx._core.transformation import chain, transformation
from gradtx._core.types import Decay, LearningRate, NonNegative, Positive
from gradtx._moments.bias_correction import bias_correction
from gradtx._moments.ema import ema
from gradtx._moments.stored import stored
from gradtx._storage.codec import Codec
from gradtx._transforms.scale_by_extrapolated_momentum import scale_by_extrapolated_momentum
from gradtx._transforms.scale_by_proximal_learning_rate import scale_by_proximal_learning_rate
from gradtx._transforms.scale_by_rms import scale_by_rms


@transformation
def adan(
    learning_rate: LearningRate,
    b1: Decay = 0.98,
    b2: Decay = 0.92,
    b3: Decay = 0.99,
    eps: Positive = 1e-8,
    weight_decay: NonNegative = 0.0,
    where: Where = None,
    storage: Codec | None = None,
) -> Any:
    """Adam with Nesterov's momentum from differences of gradients: θ ← (θ − η (m̂ + b2 v̂) / (√n̂ + eps)) / (1 + η λ).

    m averages g, v averages d = g − g_before, n averages (g + b2 d)². The three decays are the weights of the past, 1 − β
    in the paper; averages start at zero and are corrected, as in the authors' code, where the paper starts them at the
    first gradient. `where` chooses the leaves that decay. (Xie et al. 2022, algorithm 1.)
    """
    return chain(
        scale_by_extrapolated_momentum(bias_correction(stored(ema(b1), storage)), bias_correction(stored(ema(b2), storage)), b2),
        scale_by_rms(bias_correction(stored(ema(b3), storage)), eps),
        scale_by_proximal_learning_rate(learning_rate, weight_decay, where),
    )
