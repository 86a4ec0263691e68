"""MARS with AdamW."""

from typing import Any

from gradtx._core.selection import Where
from gradtx._core.transformation import chain, transformation
from gradtx._core.types import Decay, LearningRate, NonNegative, Positive
from gradtx._moments.bias_correction import bias_correction
from gradtx._moments.ema import ema
from gradtx._moments.stored import stored
from gradtx._storage.codec import Codec
from gradtx._transforms.add_decayed_weights import add_decayed_weights
from gradtx._transforms.clip_by_block_norm import clip_by_block_norm
from gradtx._transforms.reduce_variance import reduce_variance
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_momentum import scale_by_momentum
from gradtx._transforms.scale_by_rms import scale_by_rms


@transformation
def mars_adamw(
    learning_rate: LearningRate,
    b1: Decay = 0.95,
    b2: Decay = 0.99,
    eps: Positive = 1e-8,
    gamma: NonNegative = 0.025,
    weight_decay: NonNegative = 0.01,
    where: Where = None,
    storage: Codec | None = None,
) -> Any:
    """AdamW on gradients with reduced variance: c = g + γ b1 / (1 − b1) (g − g₋₁), each leaf of norm 1 at most, then AdamW on c.

    Three numbers of state a weight. `where` chooses the leaves that decay. The authors give vectors plain AdamW and
    this to matrices alone. (Yuan et al. 2024, algorithm 2, with gradients of two batches.)
    """
    return chain(
        reduce_variance(b1, gamma),
        clip_by_block_norm(1.0),
        scale_by_momentum(bias_correction(stored(ema(b1), storage))),
        scale_by_rms(bias_correction(stored(ema(b2), storage)), eps),
        add_decayed_weights(weight_decay, where),
        scale_by_learning_rate(learning_rate),
    )
