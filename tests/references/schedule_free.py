"""Schedule-free methods: averaging in the place of a schedule. The points are y, where gradients are taken."""

import numpy as np


def schedule_free_sgd(y, gradients, gamma, beta=0.9, decay=0.0):
    """Defazio et al. 2024, "The Road Less Scheduled" (arXiv 2405.15682), algorithm 1 with plain gradient steps.

    At a constant rate its weights γ² are those of the plain average, c = 1 / t.
    """
    x = z = y
    for t, g in enumerate(gradients, start=1):
        z = z - gamma * (g + decay * y)
        x = (1 - 1 / t) * x + z / t
        y = (1 - beta) * z + beta * x
        yield y


def schedule_free_adamw(y, gradients, gamma, beta1=0.9, beta2=0.999, eps=1e-8, decay=0.0, warmup=0):
    """Defazio et al. 2024, "The Road Less Scheduled" (arXiv 2405.15682), algorithm 1."""
    x = z = y
    v = total = 0.0
    for t, g in enumerate(gradients, start=1):
        v = beta2 * v + (1 - beta2) * g**2
        rate = gamma * np.sqrt(1 - beta2**t) * (min(1, t / warmup) if warmup else 1)
        z = z - rate * g / (np.sqrt(v) + eps) - rate * decay * y
        total += rate**2
        c = rate**2 / total
        x = (1 - c) * x + c * z
        y = (1 - beta1) * z + beta1 * x
        yield y


def schedule_free_radam(y, gradients, gamma, beta1=0.9, beta2=0.999, eps=1e-8, decay=0.0):
    """Defazio et al. 2024, "The Road Less Scheduled" (arXiv 2405.15682), algorithm 1 with RAdam's step, as in the authors' code.

    RAdam's is that of Liu et al. 2019 (arXiv 1908.03265), algorithm 2, without its momentum, and none while it is not tractable.
    """
    x = z = y
    v = total = highest = 0.0
    longest = 2 / (1 - beta2) - 1
    for t, g in enumerate(gradients, start=1):
        v = beta2 * v + (1 - beta2) * g**2
        length = longest - 2 * t * beta2**t / (1 - beta2**t)
        rate = 0.0
        if length > 4:
            rate = gamma * np.sqrt((length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length))
        z = z - rate * (g / (np.sqrt(v / (1 - beta2**t)) + eps) + decay * y)
        highest = max(highest, rate)
        total += highest**2
        c = highest**2 / total if total else 0.0
        x = (1 - c) * x + c * z
        y = (1 - beta1) * z + beta1 * x
        yield y
