"""GaLore."""

from typing import Any

from gradtx._bases.low_rank import low_rank_basis
from gradtx._core.selection import Where
from gradtx._core.transformation import chain, transformation
from gradtx._core.types import Count, Decay, LearningRate, NonNegative, Positive
from gradtx._moments.bias_correction import bias_correction
from gradtx._moments.ema import ema
from gradtx._transforms.add_decayed_weights import add_decayed_weights
from gradtx._transforms.scale import scale
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_momentum import scale_by_momentum
from gradtx._transforms.scale_by_rms import scale_by_rms
from gradtx._wrappers.in_basis import in_basis
from gradtx._wrappers.layerwise import layerwise
from gradtx._wrappers.partition import adam_elsewhere


@transformation
def galore(
    learning_rate: LearningRate,
    where: Where,
    rank: Count = 128,
    b1: Decay = 0.9,
    b2: Decay = 0.999,
    eps: Positive = 1e-8,
    weight_decay: NonNegative = 0.0,
    factor: NonNegative = 0.25,
    every: Count = 200,
) -> Any:
    """Adam in the largest singular directions of the gradient for matrices, AdamW for the rest: W ← W − η (α P adam(Pᵀ G) + λ W).

    `where` chooses the matrices. P has `rank` columns and is computed anew once in `every` steps; moments take `rank` rows
    of the longer side instead of the matrix. `factor` is α. (Zhao et al. 2024, arXiv 2403.03507, algorithm 2.)
    """
    inner = chain(scale_by_momentum(bias_correction(ema(b1))), scale_by_rms(bias_correction(ema(b2)), eps))
    return chain(
        adam_elsewhere(where, chain(layerwise(where, in_basis(low_rank_basis(rank, every), inner)), scale(factor)), b1, b2, eps),
        add_decayed_weights(weight_decay),
        scale_by_learning_rate(learning_rate),
    )
