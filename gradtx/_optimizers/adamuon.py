"""AdaMuon."""

from typing import Any

from gradtx._core.selection import Where
from gradtx._core.transformation import GradientTransformation, chain, transformation
from gradtx._core.types import Decay, LearningRate, NonNegative, Positive
from gradtx._moments.ema import ema
from gradtx._moments.nesterov import nesterov
from gradtx._moments.stored import stored
from gradtx._storage.codec import Codec
from gradtx._transforms.add_decayed_weights import add_decayed_weights
from gradtx._transforms.normalize import normalize_rms
from gradtx._transforms.orthogonalize import orthogonalize
from gradtx._transforms.scale import scale
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_momentum import scale_by_momentum
from gradtx._transforms.scale_by_rms import scale_by_rms
from gradtx._transforms.sign import sign
from gradtx._wrappers.layerwise import layerwise
from gradtx._wrappers.partition import adam_elsewhere


@transformation
def adamuon(
    learning_rate: LearningRate,
    where: Where,
    momentum: Decay = 0.95,
    second_decay: Decay = 0.95,
    weight_decay: NonNegative = 0.1,
    b1: Decay = 0.9,
    b2: Decay = 0.95,
    eps: Positive = 1e-8,
    *,
    orthogonal: GradientTransformation = orthogonalize(),
    storage: Codec | None = None,
) -> Any:
    """Muon of signs, scaled per weight: O = U Vᵀ of sign(m), W ← W − η (0.2 Ô √(mn) / ‖Ô‖ + λ W), Ô = O / (√v + eps).

    v averages O² with decay `second_decay`, uncorrected, which the norm makes no difference of. The other arguments are those
    of `muon`. (Si et al. 2025, arXiv 2507.11005, algorithm 1, with Nesterov momentum as in the authors' implementation, which is of
    an earlier version: without signs, and with a decay of 0.999, corrected.)
    """
    adaptive = scale_by_rms(stored(ema(second_decay), storage), eps, of="updates")
    matrices = chain(orthogonal, adaptive, normalize_rms(eps), scale(0.2))
    direction = chain(scale_by_momentum(nesterov(stored(ema(momentum), storage))), sign(), layerwise(where, matrices))
    return chain(
        adam_elsewhere(where, direction, b1, b2, eps, storage),
        add_decayed_weights(weight_decay),
        scale_by_learning_rate(learning_rate),
    )
