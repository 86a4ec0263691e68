"""AdaGrad."""

from typing import Any

from gradtx._core.transformation import chain, transformation
from gradtx._core.types import LearningRate, NonNegative, Positive
from gradtx._moments.running_sum import running_sum
from gradtx._moments.stored import stored
from gradtx._storage.codec import Codec
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_rms import scale_by_rms


@transformation
def adagrad(learning_rate: LearningRate, initial: NonNegative = 0.0, eps: Positive = 1e-10, storage: Codec | None = None) -> Any:
    """Divide by the root of the sum of squares: θ ← θ − η g / (√Σg² + eps).

    Steps shrink like 1/√t; rare features keep large ones. `initial` is where the sum starts. For sparse, convex
    problems. (Duchi et al. 2011.)
    """
    return chain(scale_by_rms(stored(running_sum(initial), storage), eps), scale_by_learning_rate(learning_rate))
