"""Methods that remember rows and columns of a second moment."""

import numpy as np


def adafactor(x, gradients, rho, beta=None, eps1=1e-30, eps2=1e-3, d=1.0):
    """Shazeer & Stern 2018, "Adafactor" (arXiv 1804.04235), section 8, algorithm 4 for matrices, 5 for the rest, and β̂₂ₜ of 6.

    Any array with less than two axes is a vector. `rho` is the relative step size, a constant here; a constant `beta`
    stands for β̂₂ₜ = 1 − t^−0.8.
    """
    r = c = v = 0.0
    for t, g in enumerate(gradients, start=1):
        alpha = max(eps2, np.sqrt(np.mean(x**2))) * rho
        b = 1 - t**-0.8 if beta is None else beta
        square = g**2 + eps1
        if x.ndim == 2:
            n, m = x.shape
            r = b * r + (1 - b) * square @ np.ones((m, 1))
            c = b * c + (1 - b) * np.ones((1, n)) @ square
            v = r @ c / np.sum(r)
        else:
            v = b * v + (1 - b) * square
        u = g / np.sqrt(v)
        x = x - alpha * u / max(1, np.sqrt(np.mean(u**2)) / d)
        yield x


def sm3(x, gradients, eta, beta=0.0):
    """Anil et al. 2019, "Memory-Efficient Adaptive Optimization" (arXiv 1901.11150), section 3, algorithm SM3-II.

    The cover is the rows and columns of a matrix, and the single elements of any other array. 0/0 is 0; `beta` is the
    momentum of their experiments, an average of the steps.
    """
    mu = [np.zeros(size) for size in x.shape] if x.ndim == 2 else np.zeros(x.shape)
    m = 0.0
    for g in gradients:
        if x.ndim == 2:
            nu = np.array([[min(mu[0][i], mu[1][j]) for j in range(x.shape[1])] for i in range(x.shape[0])]) + g**2
            mu = [nu.max(axis=1), nu.max(axis=0)]
        else:
            nu = mu = mu + g**2
        m = beta * m + (1 - beta) * np.divide(g, np.sqrt(nu), out=np.zeros_like(nu), where=nu > 0)
        x = x - eta * m
        yield x


def factored(r, c, beta, square):
    """Shazeer & Stern 2018, "Adafactor" (arXiv 1804.04235), algorithm 2: sums of rows and of columns, and their product."""
    r = beta * r + (1 - beta) * square @ np.ones((square.shape[1], 1))
    c = beta * c + (1 - beta) * np.ones((1, square.shape[0])) @ square
    return r, c, r @ c / np.sum(r)


def came(x, gradients, eta, beta1=0.9, beta2=0.999, beta3=0.9999, d=1.0, lamda=0.0, eps1=1e-30, eps2=1e-16):
    """Luo et al. 2023, "CAME" (arXiv 2307.02047), algorithm 2, with decoupled weight decay.

    Any array with less than two axes takes the averaged step as it is, as in the authors' implementation.
    """
    r = c = residual_r = residual_c = v = m = 0.0
    for g in gradients:
        if x.ndim == 2:
            r, c, v = factored(r, c, beta2, g**2 + eps1)
        else:
            v = beta2 * v + (1 - beta2) * (g**2 + eps1)
        u = g / np.sqrt(v)
        u = u / max(1, np.sqrt(np.mean(u**2)) / d)
        m = beta1 * m + (1 - beta1) * u
        step = m
        if x.ndim == 2:
            residual_r, residual_c, s = factored(residual_r, residual_c, beta3, (u - m) ** 2 + eps2)
            step = m / np.sqrt(s)
        x = x - eta * step - eta * lamda * x
        yield x


def adam_mini(x, gradients, eta, beta1=0.9, beta2=0.999, eps=1e-8, lamda=0.01, axis=-1):
    """Zhang et al. 2024, "Adam-mini" (arXiv 2406.16793), algorithm 1, with one block for each output, along `axis`.

    Any array with less than two axes is one block.
    """
    index = np.arange(x.size).reshape(x.shape)
    blocks = [np.take(index, k, axis) for k in range(x.shape[axis])] if x.ndim == 2 else [index.ravel()]
    flat, m, v = x.ravel(), np.zeros(x.size), np.zeros(len(blocks))
    for t, g in enumerate(gradients, start=1):
        flat = (1 - eta * lamda) * flat
        m = beta1 * m + (1 - beta1) * g.ravel()
        for b, block in enumerate(blocks):
            v[b] = beta2 * v[b] + (1 - beta2) * np.mean(g.ravel()[block] ** 2)
            flat[block] -= eta * m[block] / (1 - beta1**t) / (np.sqrt(v[b] / (1 - beta2**t)) + eps)
        yield flat.reshape(x.shape)
