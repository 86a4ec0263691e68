"""APOLLO."""

from typing import Any, Literal

from gradtx._bases.random import random_basis
from gradtx._core.selection import Where
from gradtx._core.transformation import chain, transformation
from gradtx._core.types import Count, Decay, Key, LearningRate, NonNegative, Positive
from gradtx._moments.ema import ema
from gradtx._schedules.adam_correction_schedule import adam_correction_schedule
from gradtx._transforms.add_decayed_weights import add_decayed_weights
from gradtx._transforms.limit_norm_growth import limit_norm_growth
from gradtx._transforms.scale import scale
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_momentum import scale_by_momentum
from gradtx._transforms.scale_by_rms import scale_by_rms
from gradtx._wrappers.layerwise import layerwise
from gradtx._wrappers.partition import adam_elsewhere
from gradtx._wrappers.scaled_in_basis import scaled_in_basis


@transformation
def apollo(
    learning_rate: LearningRate,
    where: Where,
    key: Key,
    rank: Count = 256,
    b1: Decay = 0.9,
    b2: Decay = 0.999,
    eps: Positive = 1e-8,
    weight_decay: NonNegative = 0.0,
    factor: NonNegative = 1.0,
    growth: Positive = 1.01,
    every: Count = 200,
    per: Literal["channel", "leaf"] = "channel",
) -> Any:
    """The gradient, channels scaled as by Adam in random directions, AdamW for the rest: W ← W − η (α G diag(s) + λ W).

    s_j is c ‖m_j / (√v_j + eps)‖ / ‖R_j‖, of averages of R = Pᵀ G and of R² and their correction c, with `rank` random directions P
    that change once in `every` steps; `where` chooses the matrices. A step's norm, before c, is at most `growth` times that of the
    one before. `factor` is α. APOLLO-Mini has one direction and one s for each matrix: `rank=1, per="leaf", factor=128**0.5`.
    (Zhu et al. 2024, arXiv 2412.05270, algorithm 1 and equation 4; the paper corrects nothing, the authors' code, whose eps is
    1e-6, behind the bound as here.)
    """
    inner = chain(scale_by_momentum(ema(b1)), scale_by_rms(ema(b2), eps))
    matrices = chain(scaled_in_basis(random_basis(rank, key, every), inner, per=per), limit_norm_growth(growth))
    direction = chain(layerwise(where, matrices), scale(adam_correction_schedule(b1, b2)), scale(factor))
    return chain(
        adam_elsewhere(where, direction, b1, b2, eps),
        add_decayed_weights(weight_decay),
        scale_by_learning_rate(learning_rate),
    )
