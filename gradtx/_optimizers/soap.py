"""SOAP."""

from typing import Any

from gradtx._bases.kronecker import kronecker_eigenbasis
from gradtx._core.selection import Where
from gradtx._core.transformation import chain, transformation
from gradtx._core.types import Count, Decay, LearningRate, NonNegative, Positive
from gradtx._moments.bias_correction import bias_correction
from gradtx._moments.ema import ema
from gradtx._moments.stored import stored
from gradtx._storage.codec import Codec
from gradtx._transforms.add_decayed_weights import add_decayed_weights
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_momentum import scale_by_momentum
from gradtx._transforms.scale_by_rms import scale_by_rms
from gradtx._wrappers.in_basis import in_basis
from gradtx._wrappers.layerwise import layerwise
from gradtx._wrappers.partition import adam_elsewhere


@transformation
def soap(
    learning_rate: LearningRate,
    where: Where,
    b1: Decay = 0.95,
    b2: Decay = 0.95,
    eps: Positive = 1e-8,
    weight_decay: NonNegative = 0.01,
    decay: Decay = 0.95,
    every: Count = 10,
    max_size: int = 8192,
    storage: Codec | None = None,
) -> Any:
    """Adam in the eigenbasis of Shampoo for matrices, AdamW for the rest: W ← W − η (Q (Qᵀ m̂ P / (√v̂ + eps)) Pᵀ + λ W).

    `where` chooses the matrices. Q and P are eigenvectors of the averages, with decay `decay`, of G Gᵀ and Gᵀ G; v averages
    (Qᵀ G P)². They turn once in `every` steps; sides longer than `max_size` stay. The first step only makes the basis and
    moves no matrix. Memory is that of Adam and 2 (m² + n²) numbers. (Vyas et al. 2024, arXiv 2409.11321, algorithm 3; the
    skipped first step is the authors' implementation, whose momentum does not see the first gradient.)
    """
    second = scale_by_rms(bias_correction(stored(ema(b2), storage)), eps)
    turned = layerwise(where, in_basis(kronecker_eigenbasis(ema(decay), every, max_size), second))
    return chain(
        adam_elsewhere(where, chain(scale_by_momentum(bias_correction(stored(ema(b1), storage))), turned), b1, b2, eps, storage),
        add_decayed_weights(weight_decay),
        scale_by_learning_rate(learning_rate),
    )
