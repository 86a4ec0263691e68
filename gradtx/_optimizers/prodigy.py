"""Prodigy."""

from typing import Any

from gradtx._core.transformation import chain, transformation
from gradtx._core.types import Decay, LearningRate, Positive
from gradtx._moments.ema import ema
from gradtx._moments.stored import stored
from gradtx._storage.codec import Codec
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_prodigy import scale_by_prodigy


@transformation
def prodigy(
    learning_rate: LearningRate = 1.0,
    b1: Decay = 0.9,
    b2: Decay = 0.999,
    eps: Positive = 1e-8,
    d0: Positive = 1e-6,
    d_coef: Positive = 1.0,
    storage: Codec | None = None,
) -> Any:
    """Adam that finds its step size d while it runs: θ ← θ − γ d m / (√v + d eps), of averages of d g and d² g².

    d grows from `d0` towards the distance of the solution, and never shrinks. Leave `learning_rate` γ at 1 or give it a schedule
    that ends at 0; `d_coef` scales the estimate. Nothing is corrected for starting at zero, as in the paper. It remembers θ₀:
    let nothing else move the weights. Four numbers a weight, two of which `storage` keeps.
    (Mishchenko & Defazio 2023, arXiv 2306.06101, algorithm 4.)
    """
    first, second = (stored(ema(decay), storage) for decay in (b1, b2))
    return chain(scale_by_prodigy(learning_rate, first, second, b2, eps, d0, d_coef), scale_by_learning_rate(learning_rate))
