"""CAME."""

from typing import Any

from gradtx._core.selection import NO_VECTOR, Where
from gradtx._core.transformation import chain, transformation
from gradtx._core.types import Decay, LearningRate, NonNegative, Positive
from gradtx._moments.ema import ema
from gradtx._moments.stored import stored
from gradtx._storage.codec import Codec
from gradtx._storage.rank_one import rank_one
from gradtx._transforms.add_decayed_weights import add_decayed_weights
from gradtx._transforms.clip_by_block_rms import clip_by_block_rms
from gradtx._transforms.scale_by_confidence import scale_by_confidence
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_momentum import scale_by_momentum
from gradtx._transforms.scale_by_rms import scale_by_rms
from gradtx._wrappers.partition import partition


@transformation
def came(
    learning_rate: LearningRate,
    b1: Decay = 0.9,
    b2: Decay = 0.999,
    b3: Decay = 0.9999,
    eps_root: Positive = 1e-30,
    eps_instability: Positive = 1e-16,
    threshold: Positive = 1.0,
    weight_decay: NonNegative = 0.0,
    where: Where = None,
    storage: Codec | None = rank_one(1),
) -> Any:
    """Adafactor's step, averaged, over how far it is from its average: θ ← θ − η (m / √S + λ θ), S = ema((u − m)²), m = ema(u).

    u is g / √V with its root mean square clipped to `threshold`. V and S, with decays `b2` and `b3`, are kept as rows and
    columns and are not corrected for starting at zero: the first steps of matrices are about ten times AdamW's. Vectors take
    m alone, as in the authors' code; they advise an η one to three times smaller than AdamW's. Both epsilons are added under
    the root and not at every step: the same unless V or S is as small. Memory is one number a weight. `where` chooses what
    decays. (Luo et al. 2023, arXiv 2307.02047, algorithm 2.)
    """
    confident = scale_by_confidence(stored(ema(b1), storage), stored(ema(b3), storage), eps_instability)
    return chain(
        scale_by_rms(stored(ema(b2), storage), eps_root=eps_root),
        clip_by_block_rms(threshold),
        partition((NO_VECTOR, confident), (None, scale_by_momentum(stored(ema(b1), storage)))),
        add_decayed_weights(weight_decay, where),
        scale_by_learning_rate(learning_rate),
    )
