"""Adafactor."""

from typing import Any

from gradtx._core.transformation import Moment, chain, identity, transformation
from gradtx._core.types import Decay, LearningRate, Positive
from gradtx._moments.ema import ema
from gradtx._moments.stored import stored
from gradtx._schedules.adafactor_decay_schedule import adafactor_decay_schedule
from gradtx._storage.codec import Codec
from gradtx._storage.rank_one import rank_one
from gradtx._transforms.clip_by_block_rms import clip_by_block_rms
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_momentum import scale_by_momentum
from gradtx._transforms.scale_by_param_block_rms import scale_by_param_block_rms
from gradtx._transforms.scale_by_rms import scale_by_rms


@transformation
def adafactor(
    learning_rate: LearningRate,
    decay: Decay = adafactor_decay_schedule(0.8),
    eps_root: Positive = 1e-30,
    threshold: Positive = 1.0,
    floor: Positive = 1e-3,
    momentum: Moment = identity(),
    storage: Codec | None = rank_one(),
) -> Any:
    """RMSProp that remembers rows and columns: θ ← θ − η max(rms(θ), floor) clip(g / √V), V = R C / mean(R), rms(clip) ≤ `threshold`.

    An n × m matrix takes n + m numbers of state. The learning rate is relative to the size of the weights; the paper's
    is min(1e-2, 1/√t). `eps_root` is added to V, where the paper adds it to every g²: the same unless g is as small as
    its root. `momentum` acts on the clipped steps. For large models with little memory. (Shazeer & Stern 2018,
    algorithms 4 to 6.)
    """
    return chain(
        scale_by_rms(stored(ema(decay), storage), eps_root=eps_root),
        clip_by_block_rms(threshold),
        scale_by_param_block_rms(floor),
        scale_by_momentum(momentum),
        scale_by_learning_rate(learning_rate),
    )
