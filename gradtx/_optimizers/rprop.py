"""Rprop."""

from typing import Any

from gradtx._core.transformation import chain, transformation
from gradtx._core.types import LearningRate, OpenDecay, Positive
from gradtx._transforms.scale_by_learning_rate import scale_by_learning_rate
from gradtx._transforms.scale_by_rprop import scale_by_rprop


@transformation
def rprop(
    learning_rate: LearningRate,
    eta_minus: OpenDecay = 0.5,
    eta_plus: Positive = 1.2,
    min_step_size: Positive = 1e-6,
    max_step_size: Positive = 50.0,
) -> Any:
    """Steps of a size of their own for each weight: θ ← θ − sign(g) Δ; Δ grows while the sign lasts, shrinks where it turns.

    `learning_rate` is where Δ begins; of a schedule the value at the first step counts. Where the sign turns, no step is
    taken. Only signs are read: for whole batches, not for noisy gradients. (Riedmiller & Braun 1993, without its taking
    back of steps: iRprop⁻ of Igel & Hüsken 2003, as in PyTorch.)
    """
    return chain(
        scale_by_rprop(learning_rate, eta_minus, eta_plus, min_step_size, max_step_size),
        scale_by_learning_rate(1.0),
    )
