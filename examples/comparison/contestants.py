"""The optimizers that are compared, each a function of its one tuned number, the peak of the learning rate."""

from collections.abc import Callable
from typing import Any

import jax
from network import ROLES

import gradtx

WARMUP = 0.1
SMALL = gradtx.int8(smallest=1024)

Factory = Callable[[Any], gradtx.GradientTransformation]


def contestants(steps: int) -> dict[str, tuple[float, Factory]]:
    """By name: the middle of the grid of learning rates, and the factory. All but schedule-free follow the same warmup and cosine."""

    def annealed(peak: Any) -> gradtx.Schedule:
        return gradtx.warmup_cosine_decay_schedule(0.0, peak, WARMUP * steps, steps)

    def warmed(peak: Any) -> gradtx.Schedule:
        return gradtx.linear_schedule(0.0, peak, WARMUP * steps)

    decay, hidden, rising = 0.1, ROLES["matrix"], gradtx.linear_schedule(0.0, 5.0, steps)
    return {
        "AdamW": (1.6e-2, lambda rate: gradtx.adamw(annealed(rate), b2=0.99, weight_decay=decay)),
        "AdamW, 8 bits": (1.6e-2, lambda rate: gradtx.adamw(annealed(rate), b2=0.99, weight_decay=decay, storage=SMALL)),
        "Lion": (8e-3, lambda rate: gradtx.lion(annealed(rate), weight_decay=5 * decay)),
        "AdEMAMix": (1.6e-2, lambda rate: gradtx.ademamix(annealed(rate), b2=0.99, b3=0.99, alpha=rising, weight_decay=decay)),
        "Adafactor": (3.2e-2, lambda rate: gradtx.adafactor(annealed(rate))),
        "SM3": (2e-1, lambda rate: gradtx.sm3(annealed(rate))),
        "schedule-free AdamW": (1.6e-2, lambda rate: gradtx.schedule_free_adamw(warmed(rate), weight_decay=decay)),
        "Muon + AdamW": (1.6e-2, lambda rate: gradtx.muon(annealed(rate), hidden, b2=0.99, weight_decay=decay)),
        "SOAP": (3.2e-2, lambda rate: gradtx.soap(annealed(rate), hidden, b2=0.99, weight_decay=decay, every=5)),
    }


def batch(factory: Factory, rates: jax.Array) -> gradtx.GradientTransformation:
    """One optimizer for each learning rate, as one value."""
    return jax.vmap(factory)(rates)
