"""Muon."""

from typing import Any

from gradtx._core.selection import Where
from gradtx._core.transformation import GradientTransformation, chain, transformation
from gradtx._core.types import Decay, LearningRate, NonNegative, Positive
from gradtx._moments.ema import ema
from gradtx._moments.nesterov import nesterov
from gradtx._moments.stored import stored
from gradtx._storage.codec import Codec
from gradtx._transforms.add_decayed_weights import add_decayed_weights
from gradtx._transforms.orthogonalize import orthogonalize
from gradtx._transforms.scale import scale
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_momentum import scale_by_momentum
from gradtx._transforms.scale_by_shape import scale_by_larger_side
from gradtx._wrappers.layerwise import layerwise
from gradtx._wrappers.partition import adam_elsewhere


@transformation
def muon(
    learning_rate: LearningRate,
    where: Where,
    momentum: Decay = 0.95,
    weight_decay: NonNegative = 0.1,
    b1: Decay = 0.9,
    b2: Decay = 0.95,
    eps: Positive = 1e-8,
    *,
    orthogonal: GradientTransformation = orthogonalize(),
    scaling: GradientTransformation = chain(scale_by_larger_side(), scale(0.2)),
    storage: Codec | None = None,
) -> Any:
    """Orthogonalised momentum for matrices, AdamW for the rest: W ← W − η (0.2 √max(m, n) U Vᵀ + λ W), U Σ Vᵀ = β m + (1 − β) g.

    `where` chooses the hidden matrices, `lambda path, leaf: leaf.ndim == 2 and "embed" not in path`: not embeddings, not
    the head, no vectors; they train with AdamW, whose `b1`, `b2` and `eps` these are. One learning rate and weight decay, those
    of AdamW, serve both, for `scaling` gives the steps AdamW's size. Jordan's first convention is
    `scaling=scale_by_tall_aspect_ratio()` with η = 0.02; AdamW's leaves want another rate there: write `partition`.
    `orthogonal` says how U Vᵀ is found: `orthogonalize("polar_express", "bfloat16")`. (Jordan et al. 2024; Liu et al. 2025, 2502.16982.)
    """
    average = nesterov(stored(ema(momentum), storage))
    direction = chain(scale_by_momentum(average), layerwise(where, chain(orthogonal, scaling)))
    return chain(
        adam_elsewhere(where, direction, b1, b2, eps, storage),
        add_decayed_weights(weight_decay),
        scale_by_learning_rate(learning_rate),
    )
