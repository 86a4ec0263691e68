"""KL-Shampoo."""

from typing import Any

from gradtx._bases.kl import kl_eigensystem
from gradtx._core.selection import Where
from gradtx._core.transformation import chain, transformation
from gradtx._core.types import Count, Decay, LearningRate, NonNegative, Positive
from gradtx._moments.ema import ema
from gradtx._moments.stored import stored
from gradtx._storage.codec import Codec
from gradtx._transforms.add_decayed_weights import add_decayed_weights
from gradtx._transforms.scale_by_eigenvalues import scale_by_eigenvalues
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_momentum import scale_by_momentum
from gradtx._wrappers.in_basis import in_basis
from gradtx._wrappers.in_blocks import in_blocks
from gradtx._wrappers.layerwise import layerwise
from gradtx._wrappers.partition import adam_elsewhere


@transformation
def kl_shampoo(
    learning_rate: LearningRate,
    where: Where,
    b1: Decay = 0.9,
    decay: Decay = 0.98,
    weight_decay: NonNegative = 0.01,
    matrix_eps: Positive = 1e-8,
    initial: Positive = 0.1,
    every: Count = 10,
    max_size: int = 8192,
    block: int | None = None,
    b2: Decay = 0.98,
    eps: Positive = 1e-8,
    storage: Codec | None = None,
) -> Any:
    """Shampoo without a graft for matrices, AdamW for the rest: W ← W − η (L^(−½) M R^(−½) + λ W), L = ema(G R⁻¹ Gᵀ / n), R alike.

    Factors are fitted to each other, with `decay`, so that steps have the size of Adam's without a second moment beside them. `where`
    chooses the matrices. Vectors turn once in `every` steps, eigenvalues follow at each and begin at `initial`; `matrix_eps`,
    times the largest, is added to them. The first step only makes the basis and moves no matrix. `block` and `max_size` are
    as in `shampoo`. (Lin et al. 2025, arXiv 2509.03378, written from its authors' implementation, which adds one small number to the
    root of the product of both eigenvalues, bounds the inverse roots, and leaves the first gradient out of M.)
    """
    turned = in_basis(kl_eigensystem(decay, every, max_size, initial), scale_by_eigenvalues(0.5, matrix_eps))
    momentum = scale_by_momentum(stored(ema(b1), storage))
    return chain(
        adam_elsewhere(where, chain(momentum, layerwise(where, in_blocks(turned, block))), b1, b2, eps, storage),
        add_decayed_weights(weight_decay),
        scale_by_learning_rate(learning_rate),
    )
