"""D-Adaptation."""

from typing import Any

from gradtx._core.selection import Where
from gradtx._core.transformation import chain, transformation
from gradtx._core.types import Decay, LearningRate, NonNegative, Positive
from gradtx._transforms.scale_by_dadapt import scale_by_dadapt
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate


@transformation
def dadapt_adamw(
    learning_rate: LearningRate = 1.0,
    b1: Decay = 0.9,
    b2: Decay = 0.999,
    eps: Positive = 1e-8,
    d0: Positive = 1e-6,
    weight_decay: NonNegative = 0.0,
    where: Where = None,
) -> Any:
    """AdamW that finds its step size d while it runs: θ ← θ − m / (√v + eps) − λ d γ θ, of averages of d γ g and g².

    d grows from `d0` and is a lower bound, in the maximum norm, of the distance to the solution if the loss is convex. Leave
    `learning_rate` γ at 1 or give it a schedule that ends at 0. Nothing is corrected for starting at zero. Its successor `prodigy` grows
    faster. Three numbers a weight. (Defazio & Mishchenko 2023, arXiv 2301.07733, algorithm 5.)
    """
    return chain(scale_by_dadapt(learning_rate, b1, b2, eps, d0, weight_decay, where), scale_by_learning_rate(1.0))
