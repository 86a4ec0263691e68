"""Methods that step along a gradient or an average of gradients."""

import numpy as np


def gradient_descent(x, gradients, alpha):
    """Robbins & Monro 1951, "A Stochastic Approximation Method" (Ann. Math. Statist.), equation 6.

    With the whole gradient it is Cauchy's method of 1847.
    """
    for g in gradients:
        x = x - alpha * g
        yield x


def heavy_ball(x, gradients, alpha, beta):
    """Polyak 1964, "Some Methods of Speeding up the Convergence of Iteration Methods" (USSR Comput. Math.), equation 9.

    x_next = x − α g + β (x − x_before), without a velocity.
    """
    before = x
    for g in gradients:
        x, before = x - alpha * g + beta * (x - before), x
        yield x


def averaged_gradient(x, gradients, alpha, beta):
    """Kingma & Ba 2014, "Adam" (arXiv 1412.6980), section 3, of whose averages m alone is used: v ← β v + (1 − β) g, x ← x − α v.

    Here v is summed from its weights (1 − β) β^age, as in equation 1 there.
    """
    seen = []
    for g in gradients:
        seen.append(g)
        x = x - alpha * sum((1 - beta) * beta**age * old for age, old in enumerate(reversed(seen)))
        yield x


def nesterov(x, gradients, epsilon, mu):
    """Sutskever et al. 2013, "The Importance of Initialization and Momentum" (ICML), equations 3 and 4.

    v ← μ v − ε ∇f(θ + μ v), θ ← θ + v, seen at θ + μ v, the point of the next gradient.
    """
    theta, v = x, 0.0
    for g in gradients:
        v = mu * v - epsilon * g
        theta = theta + v
        yield theta + mu * v


def averaged_nesterov(x, gradients, alpha, beta):
    """Sutskever et al. 2013, "The Importance of Initialization and Momentum" (ICML), equations 3 and 4 with an average for v.

    v ← β v + (1 − β) ∇f(θ − α β v), θ ← θ − α v, seen at the point of the next gradient.
    """
    theta, v = x, 0.0
    for g in gradients:
        v = beta * v + (1 - beta) * g
        theta = theta - alpha * v
        yield theta - alpha * beta * v


def signum(x, gradients, delta, beta):
    """Bernstein et al. 2018, "signSGD" (arXiv 1802.04434), algorithm 2."""
    m = 0.0
    for g in gradients:
        m = beta * m + (1 - beta) * g
        x = x - delta * np.sign(m)
        yield x


def lion(x, gradients, eta, beta1, beta2, lamda):
    """Chen et al. 2023, "Symbolic Discovery of Optimization Algorithms" (arXiv 2302.06675), algorithm 2."""
    m = 0.0
    for g in gradients:
        c = beta1 * m + (1 - beta1) * g
        x = x - eta * (np.sign(c) + lamda * x)
        m = beta2 * m + (1 - beta2) * g
        yield x


def error_feedback(x, gradients, gamma, compress):
    """Karimireddy et al. 2019, "Error Feedback Fixes SignSGD" (arXiv 1901.09847), algorithm 2, EF-SGD, with a constant γ."""
    e = np.zeros_like(x)
    for g in gradients:
        p = gamma * g + e
        delta = compress(p)
        x = x - delta
        e = p - delta
        yield x
