"""MuonH."""

from typing import Any

from gradtx._core.selection import Where
from gradtx._core.transformation import GradientTransformation, chain, transformation
from gradtx._core.types import Decay, LearningRate, Positive
from gradtx._moments.bias_correction import bias_correction
from gradtx._moments.ema import ema
from gradtx._moments.nesterov import nesterov
from gradtx._moments.stored import stored
from gradtx._storage.codec import Codec
from gradtx._transforms.normalize import normalize
from gradtx._transforms.orthogonalize import orthogonalize
from gradtx._transforms.retract_to_sphere import retract_to_sphere
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_momentum import scale_by_momentum
from gradtx._transforms.scale_by_rms import scale_by_rms
from gradtx._wrappers.layerwise import layerwise
from gradtx._wrappers.partition import partition


@transformation
def muonh(
    learning_rate: LearningRate,
    where: Where,
    adam_learning_rate: LearningRate,
    momentum: Decay = 0.95,
    b1: Decay = 0.9,
    b2: Decay = 0.95,
    eps: Positive = 1e-8,
    *,
    orthogonal: GradientTransformation = orthogonalize(),
    storage: Codec | None = None,
) -> Any:
    """Muon on spheres for matrices, Adam for the rest: W ← ρ (W − η ρ O/‖O‖) / ‖W − η ρ O/‖O‖‖, ρ = ‖W₀‖, O = U Vᵀ of Muon.

    `where` chooses the hidden matrices, whose norms stay what they are at first; `learning_rate` η is about the angle of a step.
    There is no weight decay. `adam_learning_rate` is for all others. For networks whose norms of weights do not matter:
    a normalisation with a gain behind each matrix. (Wen et al. 2026, hyperball optimization, arXiv 2606.16899.)
    """
    first, second = (bias_correction(stored(ema(decay), storage)) for decay in (b1, b2))
    others = chain(scale_by_momentum(first), scale_by_rms(second, eps), scale_by_learning_rate(adam_learning_rate))
    direction = chain(scale_by_momentum(nesterov(stored(ema(momentum), storage))), layerwise(where, chain(orthogonal, normalize(eps))))
    spheres = chain(direction, scale_by_learning_rate(learning_rate), layerwise(where, retract_to_sphere()))
    return chain(partition((where, spheres), (None, others)))
