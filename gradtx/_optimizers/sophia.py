"""Sophia."""

from typing import Any

from gradtx._core.selection import Where
from gradtx._core.transformation import chain, transformation
from gradtx._core.types import Count, Decay, Key, LearningRate, NonNegative, Positive
from gradtx._moments.ema import ema
from gradtx._moments.stored import stored
from gradtx._storage.codec import Codec
from gradtx._transforms.add_decayed_weights import add_decayed_weights
from gradtx._transforms.clip import clip
from gradtx._transforms.scale_by_hessian_diagonal import scale_by_hessian_diagonal
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_momentum import scale_by_momentum


@transformation
def sophia(
    learning_rate: LearningRate,
    key: Key,
    b1: Decay = 0.96,
    b2: Decay = 0.99,
    gamma: Positive = 0.01,
    eps: Positive = 1e-12,
    weight_decay: NonNegative = 0.2,
    where: Where = None,
    every: Count = 10,
    storage: Codec | None = None,
) -> Any:
    """Momentum over clipped curvature: θ ← θ − η (clip(m / max(γ h, eps), ±1) + λ θ), h an average of the Hessian's diagonal.

    h is renewed in each `every`-th step, by Hutchinson's estimate from the extra `value_fn`, or by the extra
    `hessian_diagonal`, a tree that you computed (the authors' Sophia-G; they take γ = 0.05 with it). Learning rates are 0.5
    to 0.8 of AdamW's. `where` chooses the leaves that decay. (Liu et al. 2023, algorithm 3.)
    """
    return chain(
        scale_by_momentum(stored(ema(b1), storage)),
        scale_by_hessian_diagonal(b2, gamma, eps, key, every),
        clip(1.0),
        add_decayed_weights(weight_decay, where),
        scale_by_learning_rate(learning_rate),
    )
