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


def cocob(x, gradients, alpha=100.0, eps=0.0):
    """Orabona & Tommasi 2017, "Training Deep Networks without Learning Rates Through Coin Betting" (arXiv 1705.07795), algorithm 2.

    Here L begins at an ε, as in the authors' code; the paper has 0.
    """
    start, total, absolute, reward, largest = x, 0.0, 0.0, 0.0, eps
    for g in gradients:
        largest = np.maximum(largest, np.abs(g))
        absolute = absolute + np.abs(g)
        reward = np.maximum(reward + (x - start) * -g, 0)
        total = total - g
        x = start + total / (largest * np.maximum(absolute + largest, alpha * largest)) * (largest + reward)
        yield x


def dadapt_adam(x, gradients, d, gamma=1.0, beta1=0.9, beta2=0.999, eps=1e-8, lamda=0.0):
    """Defazio & Mishchenko 2023, "Learning-Rate-Free Learning by D-Adaptation" (arXiv 2301.07733), algorithm 5.

    With decoupled decay, and with ⟨g, s⟩ in the metric of the step before, as in the authors' code.
    """
    m, v, s, r, q = 0.0, 0.0, np.zeros_like(x), 0.0, np.sqrt(beta2)
    for g in gradients:
        r = q * r + (1 - q) * d * gamma * np.sum(g * s / (np.sqrt(v) + eps))
        m = beta1 * m + (1 - beta1) * d * gamma * g
        v = beta2 * v + (1 - beta2) * g**2
        s = q * s + (1 - q) * d * gamma * g
        x = x - m / (np.sqrt(v) + eps) - lamda * d * gamma * x
        d = max(d, r / ((1 - q) * np.sum(np.abs(s))))
        yield x


def momo_adam(x, gradient, value, steps, alpha, beta1, beta2, eps, least):
    """Schaipp et al. 2023, "MoMo" (arXiv 2305.07583), section 4: MoMo-Adam without weight decay."""
    d, v, f, gamma = np.zeros_like(x), np.zeros_like(x), 0.0, 0.0
    for k in range(1, steps + 1):
        g = gradient(x)
        f = (1 - beta1) * value(x) + beta1 * f
        gamma = (1 - beta1) * np.sum(g * x) + beta1 * gamma
        d = (1 - beta1) * g + beta1 * d
        v = (1 - beta2) * g**2 + beta2 * v
        rho = 1 - beta1**k
        metric = eps + np.sqrt(v / (1 - beta2**k))
        above = max(f - gamma - rho * least + np.sum(d * x), 0)
        x = x - min(alpha / rho, above / np.sum(d**2 / metric)) * d / metric
        yield x


def mechanic_sgd(x, gradients, gamma, betas, lamda=0.01, s_init=1e-8, eps=1e-8):
    """Cutkosky et al. 2023, "Mechanic" (arXiv 2306.00144), algorithm 1, around gradient descent.

    With the size of h in m, as in the authors' code.
    """
    betas = np.asarray(betas)
    start, moved, s, m, v, r = x, np.zeros_like(x), np.zeros(betas.size), np.zeros(betas.size), 0.0, 0.0
    for g in gradients:
        pull = lamda * np.sum(s) * np.linalg.norm(g) / np.linalg.norm(x) * x
        h = np.sum(moved * (g + pull))
        moved = moved - gamma * g
        m = np.maximum(betas * m, np.abs(h))
        v = betas**2 * v + h**2
        r = np.maximum(betas * r - s * h, 0)
        s = (s_init / betas.size * m + r) / (np.sqrt(v) + eps)
        x = start + np.sum(s) * moved
        yield x
