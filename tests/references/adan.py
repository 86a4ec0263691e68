"""Adan: Nesterov's momentum from an average of the gradient and one of its differences."""

import numpy as np


def adan(x, gradients, eta, beta1=0.02, beta2=0.08, beta3=0.01, eps=1e-8):
    """Xie et al. 2022, "Adan" (arXiv 2208.06677), algorithm 1 with neither restart nor weight decay. m₀ = g₀, v₀ = 0, n₀ = g₀²."""
    m = v = n = before = None
    for g in gradients:
        if before is None:
            m, v, n = g, np.zeros_like(g), g**2
        else:
            difference = g - before
            m = (1 - beta1) * m + beta1 * g
            v = (1 - beta2) * v + beta2 * difference
            n = (1 - beta3) * n + beta3 * (g + (1 - beta2) * difference) ** 2
        x = x - eta / (np.sqrt(n) + eps) * (m + (1 - beta2) * v)
        before = g
        yield x


def corrected_adan(x, gradients, eta, beta1=0.02, beta2=0.08, beta3=0.01, eps=1e-8, mixed=None):
    """Xie et al. 2022, "Adan" (arXiv 2208.06677), algorithm 1 as in the authors' code: moments start at zero and are corrected for it.

    The difference is mixed in with 1 − β₂, unless `mixed` says otherwise.
    """
    mixed = 1 - beta2 if mixed is None else mixed
    m = v = n = np.zeros_like(x)
    before = gradients[0]
    for t, g in enumerate(gradients, start=1):
        difference = g - before
        m = (1 - beta1) * m + beta1 * g
        v = (1 - beta2) * v + beta2 * difference
        n = (1 - beta3) * n + beta3 * (g + mixed * difference) ** 2
        m_hat, v_hat, n_hat = m / (1 - (1 - beta1) ** t), v / (1 - (1 - beta2) ** t), n / (1 - (1 - beta3) ** t)
        x = x - eta * (m_hat + mixed * v_hat) / (np.sqrt(n_hat) + eps)
        before = g
        yield x
