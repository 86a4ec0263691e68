"""PSGD Kron."""

from typing import Any

from gradtx._core.selection import Where
from gradtx._core.transformation import chain, transformation
from gradtx._core.types import Decay, Key, LearningRate, NonNegative, Positive
from gradtx._moments.bias_correction import bias_correction
from gradtx._moments.ema import ema
from gradtx._moments.stored import stored
from gradtx._schedules.kron_period_schedule import kron_period_schedule
from gradtx._storage.codec import Codec
from gradtx._transforms.add_decayed_weights import add_decayed_weights
from gradtx._transforms.clip_by_block_rms import clip_by_block_rms
from gradtx._transforms.scale_by_kron import scale_by_kron
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_momentum import scale_by_momentum


@transformation
def psgd_kron(
    learning_rate: LearningRate,
    key: Key,
    b1: Decay = 0.9,
    weight_decay: NonNegative = 0.0,
    every: Positive = kron_period_schedule(),
    rate: Positive = 0.1,
    eps: NonNegative = 1e-9,
    max_size: int = 8192,
    threshold: Positive = 1.1,
    where: Where = None,
    storage: Codec | None = None,
) -> Any:
    """Momentum, whitened by triangular factors that are fitted to it: θ ← θ − η (clip(QᵀQ m̂) + λ θ), rms(clip) ≤ `threshold`.

    Q has a matrix for each axis of a leaf of two axes or more, a diagonal for vectors and axes longer than `max_size`, and is
    fitted at `rate` once in `every` steps: at each of the first 200, at every 33rd after 3,700. `key` draws the probes. All steps have
    a root mean square near 1; Kron's authors begin with a third of Adam's η and 3 to 10 times its λ. Memory is that of momentum and
    m² + n² numbers for a matrix. `where` chooses what decays. (Li 2015, arXiv 1512.04202; the form is that of Kron: psgd_jax fits by
    chance instead of at a period, kron_torch at each of the first 500 steps.)
    """
    return chain(
        scale_by_momentum(bias_correction(stored(ema(b1), storage))),
        scale_by_kron(key, every, rate, eps, max_size),
        clip_by_block_rms(threshold),
        add_decayed_weights(weight_decay, where),
        scale_by_learning_rate(learning_rate),
    )
