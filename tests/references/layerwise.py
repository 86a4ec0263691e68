"""Methods that measure a layer as a whole."""

import numpy as np


def lars(w, gradients, gamma, eta=0.001, beta=0.0005, m=0.9):
    """You et al. 2017, "Large Batch Training of Convolutional Networks" (arXiv 1708.03888), algorithm 1."""
    v = 0.0
    for g in gradients:
        local = eta * np.linalg.norm(w) / (np.linalg.norm(g) + beta * np.linalg.norm(w))
        v = m * v + gamma * local * (g + beta * w)
        w = w - v
        yield w


def lamb(x, gradients, eta, beta1=0.9, beta2=0.999, eps=1e-6, lamda=0.01):
    """You et al. 2019, "Large Batch Optimization for Deep Learning" (arXiv 1904.00962), algorithm 2, with φ(z) = z."""
    m = v = 0.0
    for t, g in enumerate(gradients, start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        r = m / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + eps) + lamda * x
        x = x - eta * np.linalg.norm(x) / np.linalg.norm(r) * r
        yield x


def novograd(w, gradients, lamda, beta1=0.95, beta2=0.98, eps=0.0, d=0.001):
    """Ginsburg et al. 2019, "Training Deep Networks with Layerwise Adaptive Second Moments" (arXiv 1905.11286), algorithm 1."""
    m, v = 0.0, None
    for g in gradients:
        square = np.linalg.norm(g) ** 2
        v = square if v is None else beta2 * v + (1 - beta2) * square
        m = beta1 * m + (g / (np.sqrt(v) + eps) + d * w)
        w = w - lamda * m
        yield w


def mars_adamw(x, gradients, eta, beta1=0.95, beta2=0.99, eps=1e-8, gamma=0.025, lamda=0.01):
    """Yuan et al. 2024, "MARS" (arXiv 2411.10438), algorithm 2.

    With the gradient of the last batch for ∇f(x₋₁, ξ), and x₋₁ = x before the first step.
    """
    m = v = 0.0
    before = gradients[0]
    for t, g in enumerate(gradients, start=1):
        c = g + gamma * beta1 / (1 - beta1) * (g - before)
        c = c / max(1.0, np.linalg.norm(c))
        m = beta1 * m + (1 - beta1) * c
        v = beta2 * v + (1 - beta2) * c**2
        x = x - eta * (m / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + eps) + lamda * x)
        before = g
        yield x


def fromage(w, gradients, eta):
    """Bernstein et al. 2020, "On the Distance Between Two Neural Networks" (arXiv 2002.03432), algorithm 1."""
    for g in gradients:
        w = (w - eta * np.linalg.norm(w) / np.linalg.norm(g) * g) / np.sqrt(1 + eta**2)
        yield w
