"""SinkGD."""

from typing import Any

from gradtx._core.selection import Where
from gradtx._core.transformation import chain, transformation
from gradtx._core.types import Count, Decay, LearningRate, NonNegative, Positive
from gradtx._transforms.add_decayed_weights import add_decayed_weights
from gradtx._transforms.normalize_rows import sinkhorn
from gradtx._transforms.scale import scale
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._wrappers.layerwise import layerwise
from gradtx._wrappers.partition import adam_elsewhere


@transformation
def sinkgd(
    learning_rate: LearningRate,
    where: Where,
    b1: Decay = 0.9,
    b2: Decay = 0.999,
    eps: Positive = 1e-8,
    weight_decay: NonNegative = 0.0,
    factor: NonNegative = 0.05,
    iterations: Count = 5,
) -> Any:
    """The gradient with rows and columns of one size for matrices, AdamW for the rest: W ← W − η (α sinkhorn(G) + λ W).

    `where` chooses the matrices, which need no state. `factor` α sets their rate apart from that of the others. It has no
    momentum: for large batches. (Scetbon et al. 2025, arXiv 2502.06742, algorithm 4.)
    """
    return chain(
        adam_elsewhere(where, chain(layerwise(where, sinkhorn(iterations, eps)), scale(factor)), b1, b2, eps),
        add_decayed_weights(weight_decay),
        scale_by_learning_rate(learning_rate),
    )
