"""Shampoo."""

from typing import Any

from gradtx._bases.kronecker import kronecker_eigensystem
from gradtx._core.selection import Where
from gradtx._core.transformation import chain, transformation
from gradtx._core.types import Count, Decay, LearningRate, NonNegative, Positive
from gradtx._moments.bias_correction import bias_correction
from gradtx._moments.ema import ema
from gradtx._moments.stored import stored
from gradtx._storage.codec import Codec
from gradtx._transforms.add_decayed_weights import add_decayed_weights
from gradtx._transforms.scale_by_eigenvalues import scale_by_eigenvalues
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_momentum import scale_by_momentum
from gradtx._transforms.scale_by_rms import scale_by_rms
from gradtx._wrappers.graft import graft
from gradtx._wrappers.in_basis import in_basis
from gradtx._wrappers.in_blocks import in_blocks
from gradtx._wrappers.layerwise import layerwise
from gradtx._wrappers.partition import adam_elsewhere


@transformation
def shampoo(
    learning_rate: LearningRate,
    where: Where,
    b1: Decay = 0.9,
    b2: Decay = 0.999,
    eps: Positive = 1e-8,
    weight_decay: NonNegative = 0.01,
    exponent: Positive = 0.25,
    matrix_eps: Positive = 1e-6,
    every: Count = 10,
    max_size: int = 8192,
    block: int | None = None,
    storage: Codec | None = None,
) -> Any:
    """Momentum of L^(−p) G R^(−p), as long as Adam's direction for matrices, AdamW for the rest: W ← W − η (m̂ + λ W).

    L and R are corrected averages, with decay `b2`, of G Gᵀ and Gᵀ G, `exponent` p is ¼ in the paper, ½ in some later work.
    `matrix_eps`, times the largest, is added to their eigenvalues, computed once in `every` steps; sides longer than `max_size` count as
    the identity. `block` cuts matrices into blocks of at most so many rows and columns, each a matrix of its own: 1,024 is usual. Each
    direction gets the norm of G / (√v̂ + eps), so that AdamW's learning rate carries over. `where` chooses the matrices.
    (Gupta et al. 2018, arXiv 1802.09568; grafting, blocks and the rest as in Shi et al. 2023, arXiv 2309.06497.)
    """
    second = scale_by_rms(bias_correction(stored(ema(b2), storage)), eps)
    turned = in_basis(kronecker_eigensystem(bias_correction(ema(b2)), every, max_size), scale_by_eigenvalues(exponent, matrix_eps))
    matrices = in_blocks(graft(turned, second), block)
    first = bias_correction(stored(ema(b1), storage))
    return chain(
        adam_elsewhere(where, chain(layerwise(where, matrices), scale_by_momentum(first)), b1, b2, eps, storage),
        add_decayed_weights(weight_decay),
        scale_by_learning_rate(learning_rate),
    )
