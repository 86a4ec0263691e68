"""SM3."""

from typing import Any

from gradtx._core.transformation import Moment, chain, transformation
from gradtx._core.types import LearningRate, Positive
from gradtx._moments.ema import ema
from gradtx._moments.running_sum import running_sum
from gradtx._moments.stored import stored
from gradtx._storage.codec import Codec
from gradtx._storage.cover import cover
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_momentum import scale_by_momentum
from gradtx._transforms.scale_by_rms import scale_by_rms


@transformation
def sm3(learning_rate: LearningRate, momentum: Moment = ema(0.9), eps_root: Positive = 1e-8, storage: Codec | None = None) -> Any:
    """AdaGrad that remembers rows and columns: θ ← θ − η moment(g / √(ν + eps_root)), ν = min(row, column) + g².

    Each row and each column, and each slice of a further axis, keeps the largest ν in it, so that ν is never less than
    AdaGrad's sum. An n × m matrix takes n + m numbers, and momentum its n m; without it, `identity()`, it is the
    paper's algorithm. For sparse features, such as embeddings, with little memory. (Anil et al. 2019, algorithm SM3-II.)
    """
    return chain(
        scale_by_rms(stored(running_sum(), cover()), eps_root=eps_root),
        scale_by_momentum(stored(momentum, storage)),
        scale_by_learning_rate(learning_rate),
    )
