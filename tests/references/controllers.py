"""Methods that set their step size by scalars of all weights: x is every weight in one vector."""

import numpy as np


def dog(x, gradients, rel, eps):
    """Ivgi et al. 2023, "DoG is SGD's Best Friend" (arXiv 2302.12022), equations 1 and 2, with r_ε = rel (1 + ‖x₀‖).

    Here with an ε inside the root; the paper has none.
    """
    start, farthest, total = x, rel * (1 + np.linalg.norm(x)), 0.0
    for g in gradients:
        farthest = max(farthest, np.linalg.norm(x - start))
        total += np.sum(g**2)
        x = x - farthest / np.sqrt(total + eps) * g
        yield x


def dowg(x, gradients, r, eps):
    """Khaled et al. 2023, "DoWG Unleashed" (arXiv 2305.16284), algorithm 1.

    Here with an ε beside the root; the paper has none.
    """
    start, v = x, 0.0
    for g in gradients:
        r = max(np.linalg.norm(x - start), r)
        v += r**2 * np.sum(g**2)
        x = x - r**2 / (np.sqrt(v) + eps) * g
        yield x


def prodigy(x, gradients, d, gamma=1.0, beta1=0.9, beta2=0.999, eps=1e-8, coefficient=1.0):
    """Mishchenko & Defazio 2023, "Prodigy" (arXiv 2306.06101), algorithm 4.

    The coefficient of the estimate is not in the algorithm.
    """
    start, m, v, s, r, q = x, 0.0, 0.0, 0.0, 0.0, np.sqrt(beta2)
    for g in gradients:
        m = beta1 * m + (1 - beta1) * d * g
        v = beta2 * v + (1 - beta2) * d**2 * g**2
        r = q * r + (1 - q) * gamma * d**2 * np.sum(g * (start - x))
        s = q * s + (1 - q) * gamma * d**2 * g
        following = max(d, coefficient * r / np.sum(np.abs(s)))
        x = x - gamma * d * m / (np.sqrt(v) + d * eps)
        d = following
        yield x


def polyak(x, gradient, value, steps, c, bound, least):
    """Loizou et al. 2020, "Stochastic Polyak Step-size for SGD" (arXiv 2002.10542), equation 3."""
    for _ in range(steps):
        g = gradient(x)
        x = x - min((value(x) - least) / (c * np.sum(g**2)), bound) * g
        yield x


def momo(x, gradient, value, steps, alpha, beta, least):
    """Schaipp et al. 2023, "MoMo" (arXiv 2305.07583), algorithm 1, with averages that begin at their first values."""
    d, f, gamma = gradient(x), value(x), np.sum(gradient(x) * x)
    for _ in range(steps):
        g = gradient(x)
        f = (1 - beta) * value(x) + beta * f
        gamma = (1 - beta) * np.sum(g * x) + beta * gamma
        d = (1 - beta) * g + beta * d
        h = f + np.sum(d * x) - gamma
        x = x - min(alpha, max(h - least, 0) / np.sum(d**2)) * d
        yield x
