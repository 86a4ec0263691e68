"""Scion."""

from typing import Any

from gradtx._core.selection import TWO_AXES, Where
from gradtx._core.transformation import GradientTransformation, chain, transformation
from gradtx._core.types import Decay, LearningRate, NonNegative
from gradtx._moments.ema import ema
from gradtx._moments.stored import stored
from gradtx._storage.codec import Codec
from gradtx._transforms.add_decayed_weights import add_decayed_weights
from gradtx._transforms.normalize import normalize_rms
from gradtx._transforms.orthogonalize import orthogonalize
from gradtx._transforms.scale import scale
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_momentum import scale_by_momentum
from gradtx._transforms.scale_by_shape import scale_by_aspect_ratio, scale_by_inputs
from gradtx._transforms.sign import sign
from gradtx._wrappers.layerwise import layerwise
from gradtx._wrappers.partition import partition


@transformation
def scion(
    learning_rate: LearningRate,
    where: Where,
    radius: NonNegative = 50.0,
    radius_of_others: NonNegative = 3000.0,
    momentum: Decay = 0.9,
    weight_decay: NonNegative = 1.0,
    output_axis: int = 1,
    *,
    orthogonal: GradientTransformation = orthogonalize(),
    others: GradientTransformation = sign(),
    storage: Codec | None = None,
) -> Any:
    """Conditional gradients over norm balls: W ← (1 − η λ) W − η ρ √(out / in) U Vᵀ for hidden matrices, − η ρ′ sign(m) / in for others.

    U Σ Vᵀ is m, an average of the gradient. `where` chooses the hidden matrices. `others` is the direction of the other matrices, the
    embedding and the head, before 1 / in. Leaves of less or more than two axes step along m, with a root mean square of ρ. With λ = 1
    weights stay in balls of these radii (Scion); λ = 0 is the unconstrained form. Learning rates carry over between widths.
    (Pethick et al. 2025, arXiv 2502.07529, algorithm 3 with the norms of table 3; the radii are those of the authors' code for GPT.)
    """
    matrices = chain(orthogonal, scale_by_aspect_ratio(output_axis), scale(radius))
    wide = chain(others, scale_by_inputs(output_axis), scale(radius_of_others))
    rest = partition((TWO_AXES, wide), (None, chain(normalize_rms(1e-8), scale(radius))))
    return chain(
        scale_by_momentum(stored(ema(momentum), storage)),
        partition((where, layerwise(where, matrices)), (None, rest)),
        add_decayed_weights(weight_decay),
        scale_by_learning_rate(learning_rate),
    )
