"""Schedule-free AdamW."""

from typing import Any

from gradtx._core.schedule import scaled_schedule
from gradtx._core.selection import Where
from gradtx._core.transformation import chain, transformation
from gradtx._core.types import LearningRate, NonNegative, OpenDecay, Positive
from gradtx._moments.ema import ema
from gradtx._moments.stored import stored
from gradtx._schedules.rms_correction_schedule import rms_correction_schedule
from gradtx._storage.codec import Codec
from gradtx._transforms.add_decayed_weights import add_decayed_weights
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_rms import scale_by_rms
from gradtx._wrappers.schedule_free import schedule_free


@transformation(stands="last")
def schedule_free_adamw(
    learning_rate: LearningRate,
    b1: OpenDecay = 0.9,
    b2: OpenDecay = 0.999,
    eps: Positive = 1e-8,
    weight_decay: NonNegative = 0.0,
    where: Where = None,
    storage: Codec | None = None,
) -> Any:
    """AdamW with averaging in the place of momentum and schedule: z ← z − η √(1 − b2ᵗ) (g / (√v + eps) + λ y), x the average of z.

    Evaluate at `eval_params(tx, params, state)`; train at y = (1 − b1) z + b1 x, which the parameters are. The learning rate needs a
    warmup and no decay. As in the paper √(1 − b2ᵗ) also enters the weights of the average; Optax corrects v instead. Winner of
    AlgoPerf's self-tuning track (arXiv 2502.15015). (Defazio et al. 2024, arXiv 2405.15682, algorithm 1.)
    """
    rate = scaled_schedule(rms_correction_schedule(b2), learning_rate)
    step = chain(scale_by_rms(stored(ema(b2), storage), eps), add_decayed_weights(weight_decay, where), scale_by_learning_rate(rate))
    return chain(schedule_free(step, rate, b1))
