"""Methods that divide the gradient by a statistic of its size."""

import numpy as np


def adagrad(x, gradients, eta, delta):
    """Duchi et al. 2011, "Adaptive Subgradient Methods" (JMLR), figure 1.

    H is diagonal: H = δ + √Σ g².
    """
    total = 0.0
    for g in gradients:
        total = total + g**2
        x = x - eta * g / (delta + np.sqrt(total))
        yield x


def rmsprop(x, gradients, alpha, eps, decay=0.9):
    """Tieleman & Hinton 2012, "Neural Networks for Machine Learning" (Coursera), lecture 6.5, slide 29.

    Here with an ε beside the root; the slide has none.
    """
    mean_square = 0.0
    for g in gradients:
        mean_square = decay * mean_square + (1 - decay) * g**2
        x = x - alpha * g / (np.sqrt(mean_square) + eps)
        yield x


def centered_rmsprop(x, gradients, gimel, aleph=0.95, beth=0.9, daleth=1e-4):
    """Graves 2013, "Generating Sequences With Recurrent Neural Networks" (arXiv 1308.0850), equations 38 to 41.

    Letters and numbers are the paper's too (gimel is 1e-4 there).
    """
    n = gbar = delta = 0.0
    for eps in gradients:
        n = aleph * n + (1 - aleph) * eps**2
        gbar = aleph * gbar + (1 - aleph) * eps
        delta = beth * delta - gimel * eps / np.sqrt(n - gbar**2 + daleth)
        x = x + delta
        yield x
