"""Differentially private gradient descent."""

from typing import Any

from gradtx._core.transformation import Moment, chain, identity, transformation
from gradtx._core.types import Key, LearningRate, NonNegative, Positive
from gradtx._transforms.add_private_noise import add_private_noise
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_momentum import scale_by_momentum


@transformation
def dpsgd(
    learning_rate: LearningRate,
    max_norm: Positive,
    noise_multiplier: NonNegative,
    batch_size: Positive,
    key: Key,
    momentum: Moment = identity(),
) -> Any:
    """Gradient descent that hides each example: θ ← θ − η (ḡ + σ C / B · ξ), ḡ the mean of B gradients of norms at most C, ξ ~ N(0, I).

    Give it `per_example_clip_by_global_norm(gradients, tx.max_norm)`: the chain sees one gradient, and cannot know whether its parts were
    bounded. What σ = `noise_multiplier` buys is for an accountant to say, from how batches are drawn and how many steps are made.
    `chain(add_private_noise(...), adamw(...))` is its like for any other optimizer. (Abadi et al. 2016, arXiv 1607.00133, algorithm 1.)
    """
    return chain(
        add_private_noise(max_norm, noise_multiplier, batch_size, key),
        scale_by_momentum(momentum),
        scale_by_learning_rate(learning_rate),
    )
