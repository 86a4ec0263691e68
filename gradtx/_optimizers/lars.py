"""LARS."""

from typing import Any

from gradtx._core.selection import Where
from gradtx._core.transformation import Moment, chain, transformation
from gradtx._core.types import LearningRate, NonNegative, Positive
from gradtx._moments.stored import stored
from gradtx._moments.trace import trace
from gradtx._storage.codec import Codec
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_local_rate import scale_by_local_rate
from gradtx._transforms.scale_by_momentum import scale_by_momentum


@transformation
def lars(
    learning_rate: LearningRate,
    trust_coefficient: Positive = 0.001,
    weight_decay: NonNegative = 0.0005,
    momentum: Moment = trace(0.9),
    where: Where = None,
    storage: Codec | None = None,
) -> Any:
    """Momentum with a rate for each layer: v ← μ v + η c ‖θ‖ / (‖g‖ + λ ‖θ‖) (g + λ θ), θ ← θ − v.

    The learning rate is inside the momentum, so a falling schedule does not shrink steps taken before. For large
    batches of images; `where` leaves out biases and norms from both decay and scaling. (You et al. 2017, algorithm 1.)
    """
    return chain(
        scale_by_local_rate(trust_coefficient, weight_decay, where),
        scale_by_learning_rate(learning_rate),
        scale_by_momentum(stored(momentum, storage)),
    )
