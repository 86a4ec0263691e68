"""Schedule-free gradient descent."""

from typing import Any

from gradtx._core.transformation import chain, transformation
from gradtx._core.types import LearningRate, NonNegative, OpenDecay
from gradtx._transforms.add_decayed_weights import add_decayed_weights
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._wrappers.schedule_free import schedule_free


@transformation(stands="last")
def schedule_free_sgd(learning_rate: LearningRate, b1: OpenDecay = 0.9, weight_decay: NonNegative = 0.0) -> Any:
    """Gradient descent with averaging in the place of a schedule: z ← z − η (∇f(y) + λ y), x the average of z, y between them.

    Evaluate at `eval_params(tx, params, state)`. The learning rate needs a warmup and no decay; it is larger than that of SGD with
    momentum. (Defazio et al. 2024, arXiv 2405.15682, algorithm 1 with plain gradient steps.)
    """
    step = chain(add_decayed_weights(weight_decay), scale_by_learning_rate(learning_rate))
    return chain(schedule_free(step, learning_rate, b1))
