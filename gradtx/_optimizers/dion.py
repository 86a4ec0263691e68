"""Dion."""

from typing import Any

from gradtx._core.selection import Where
from gradtx._core.transformation import chain, transformation
from gradtx._core.types import Count, Decay, Key, LearningRate, NonNegative, Positive
from gradtx._storage.codec import Codec
from gradtx._transforms.add_decayed_weights import add_decayed_weights
from gradtx._transforms.low_rank import orthonormal_low_rank
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_shape import scale_by_aspect_ratio
from gradtx._wrappers.error_feedback import error_feedback
from gradtx._wrappers.layerwise import layerwise
from gradtx._wrappers.partition import adam_elsewhere


@transformation
def dion(
    learning_rate: LearningRate,
    where: Where,
    key: Key,
    rank_divisor: Count = 4,
    momentum: Decay = 0.95,
    weight_decay: NonNegative = 0.01,
    b1: Decay = 0.9,
    b2: Decay = 0.95,
    eps: Positive = 1e-8,
    output_axis: int = 1,
    storage: Codec | None = None,
) -> Any:
    """Muon in few directions, AdamW for the rest: W ← W − η (√(out / in) P Qᵀ + λ W), P = orth(M Q), M ← M + G − (1 − μ) P Pᵀ M.

    `where` chooses the hidden matrices. A matrix has min(m, n) / `rank_divisor` directions, the inverse of the paper's rank fraction,
    which is 1 in the authors' code; what they do not capture stays in M and comes later. One power iteration and a QR of few columns
    replace Muon's products of whole matrices. `key` draws the first directions; `output_axis` is 1 for kernels of shape (in, out),
    0 for (out, in). The other arguments are those of `muon`. (Ahn et al. 2025, arXiv 2504.05295, algorithm 1.)
    """
    fed_back = error_feedback(orthonormal_low_rank(rank_divisor, key, eps), momentum, storage)
    direction = layerwise(where, chain(fed_back, scale_by_aspect_ratio(output_axis)))
    return chain(
        adam_elsewhere(where, direction, b1, b2, eps, storage),
        add_decayed_weights(weight_decay),
        scale_by_learning_rate(learning_rate),
    )
