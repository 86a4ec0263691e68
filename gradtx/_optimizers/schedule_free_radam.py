"""Schedule-free RAdam."""

from typing import Any

from gradtx._core.schedule import scaled_schedule
from gradtx._core.selection import Where
from gradtx._core.transformation import chain, transformation
from gradtx._core.types import LearningRate, NonNegative, OpenDecay, Positive
from gradtx._moments.bias_correction import bias_correction
from gradtx._moments.ema import ema
from gradtx._moments.stored import stored
from gradtx._schedules.rectification_schedule import rectification_schedule
from gradtx._storage.codec import Codec
from gradtx._transforms.add_decayed_weights import add_decayed_weights
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_rms import scale_by_rms
from gradtx._wrappers.schedule_free import schedule_free


@transformation(stands="last")
def schedule_free_radam(
    learning_rate: LearningRate,
    b1: OpenDecay = 0.9,
    b2: OpenDecay = 0.999,
    eps: Positive = 1e-8,
    weight_decay: NonNegative = 0.0,
    where: Where = None,
    storage: Codec | None = None,
) -> Any:
    """RAdam with averaging in the place of momentum and schedule: z ← z − η rₜ (g / (√v̂ + eps) + λ y), x the average of z.

    It needs no warmup: rₜ is one, is 0 while too few gradients were seen (ρₜ ≤ 4), and is in the weights of the average too. Otherwise
    as `schedule_free_adamw`: evaluate at `eval_params(tx, params, state)`. `b2` must exceed 0.6. (Defazio et al. 2024, arXiv 2405.15682,
    algorithm 1, with the step of Liu et al. 2019, as in the authors' code.)
    """
    rate = scaled_schedule(rectification_schedule(b2), learning_rate)
    direction = chain(scale_by_rms(bias_correction(stored(ema(b2), storage)), eps), add_decayed_weights(weight_decay, where))
    return chain(schedule_free(chain(direction, scale_by_learning_rate(rate)), rate, b1))
