"""Gradient descent that hides each example: x is every weight in one vector, and a batch holds the gradient of each example in a row."""

import numpy as np


def dpsgd(x, batches, noise, eta, sigma, bound):
    """Abadi et al. 2016, "Deep Learning with Differential Privacy" (arXiv 1607.00133), algorithm 1, with the noise drawn beforehand."""
    for batch, xi in zip(batches, noise, strict=True):
        clipped = [g / max(1, np.linalg.norm(g) / bound) for g in batch]
        x = x - eta * (np.sum(clipped, axis=0) + sigma * bound * xi) / len(batch)
        yield x
