"""Adam and its kin: an average of the gradient divided by a statistic of its size."""

import numpy as np


def adam(x, gradients, alpha, beta1=0.9, beta2=0.999, eps=1e-8):
    """Kingma & Ba 2014, "Adam" (arXiv 1412.6980), algorithm 1."""
    m = v = 0.0
    for t, g in enumerate(gradients, start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
        x = x - alpha * m_hat / (np.sqrt(v_hat) + eps)
        yield x


def uncorrected_adam(x, gradients, alpha, beta1=0.9, beta2=0.999, eps=1e-8):
    """Kingma & Ba 2014, "Adam" (arXiv 1412.6980), algorithm 1 without its two corrections, as in section 6.4."""
    m = v = 0.0
    for g in gradients:
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        x = x - alpha * m / (np.sqrt(v) + eps)
        yield x


def adamw(x, gradients, alpha, lamda, beta1=0.9, beta2=0.999, eps=1e-8, eta=1.0):
    """Loshchilov & Hutter 2017, "Decoupled Weight Decay Regularization" (arXiv 1711.05101), algorithm 2.

    λ is multiplied by the schedule η, not by α.
    """
    m = v = 0.0
    for t, g in enumerate(gradients, start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
        x = x - eta * (alpha * m_hat / (np.sqrt(v_hat) + eps) + lamda * x)
        yield x


def nadam(x, gradients, alpha, mu=0.9, nu=0.999, eps=1e-8, psi=0.004):
    """Dozat 2016, "Incorporating Nesterov Momentum into Adam" (ICLR workshop), algorithm 2.

    It averages with μₜ and corrects n by ν / (1 − νᵗ).
    """
    momentum = [mu * (1 - 0.5 * 0.96 ** (psi * t)) for t in range(1, len(gradients) + 2)]
    m = n = 0.0
    for t, g in enumerate(gradients, start=1):
        now, following = momentum[t - 1], momentum[t]
        m = now * m + (1 - now) * g
        n = nu * n + (1 - nu) * g**2
        m_hat = following * m / (1 - np.prod(momentum[: t + 1])) + (1 - now) * g / (1 - np.prod(momentum[:t]))
        n_hat = nu * n / (1 - nu**t)
        x = x - alpha * m_hat / (np.sqrt(n_hat) + eps)
        yield x


def constant_average_nadam(x, gradients, alpha, mu=0.9, nu=0.999, eps=1e-8, psi=0.004):
    """Dozat 2016, "Incorporating Nesterov Momentum into Adam" (ICLR workshop), algorithm 2 as PyTorch and Keras run it.

    m averages with the constant μ, and n̂ = n / (1 − νᵗ).
    """
    momentum = [mu * (1 - 0.5 * 0.96 ** (psi * t)) for t in range(1, len(gradients) + 2)]
    m = n = 0.0
    for t, g in enumerate(gradients, start=1):
        now, following = momentum[t - 1], momentum[t]
        m = mu * m + (1 - mu) * g
        n = nu * n + (1 - nu) * g**2
        m_hat = following * m / (1 - np.prod(momentum[: t + 1])) + (1 - now) * g / (1 - np.prod(momentum[:t]))
        x = x - alpha * m_hat / (np.sqrt(n / (1 - nu**t)) + eps)
        yield x


def amsgrad(x, gradients, alpha, beta1=0.9, beta2=0.999):
    """Reddi et al. 2018, "On the Convergence of Adam and Beyond" (arXiv 1904.09237), algorithm 2.

    No correction, no ε.
    """
    m = v = v_hat = 0.0
    for g in gradients:
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        v_hat = np.maximum(v_hat, v)
        x = x - alpha * m / np.sqrt(v_hat)
        yield x


def corrected_amsgrad(x, gradients, alpha, beta1=0.9, beta2=0.999, eps=1e-8):
    """Reddi et al. 2018, "On the Convergence of Adam and Beyond" (arXiv 1904.09237), algorithm 2 as PyTorch runs it.

    With Adam's two corrections and its ε, the maximum taken before them.
    """
    m = v = largest = 0.0
    for t, g in enumerate(gradients, start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        largest = np.maximum(largest, v)
        x = x - alpha * (m / (1 - beta1**t)) / (np.sqrt(largest / (1 - beta2**t)) + eps)
        yield x


def adamax(x, gradients, alpha, beta1=0.9, beta2=0.999):
    """Kingma & Ba 2014, "Adam" (arXiv 1412.6980), algorithm 2.

    No ε.
    """
    m = u = 0.0
    for t, g in enumerate(gradients, start=1):
        m = beta1 * m + (1 - beta1) * g
        u = np.maximum(beta2 * u, np.abs(g))
        x = x - alpha / (1 - beta1**t) * m / u
        yield x


def adabelief(x, gradients, alpha, beta1=0.9, beta2=0.999, eps=1e-16):
    """Zhuang et al. 2020, "AdaBelief Optimizer" (arXiv 2010.07468), algorithm 2."""
    m = s = 0.0
    for t, g in enumerate(gradients, start=1):
        m = beta1 * m + (1 - beta1) * g
        s = beta2 * s + (1 - beta2) * (g - m) ** 2 + eps
        m_hat, s_hat = m / (1 - beta1**t), s / (1 - beta2**t)
        x = x - alpha * m_hat / (np.sqrt(s_hat) + eps)
        yield x


def yogi(x, gradients, eta, beta1=0.9, beta2=0.999, eps=1e-3, initial=1e-6):
    """Zaheer et al. 2018, "Adaptive Methods for Nonconvex Optimization" (NeurIPS), algorithm 2.

    v starts at `initial`, which the paper leaves open.
    """
    m, v = 0.0, initial
    for g in gradients:
        m = beta1 * m + (1 - beta1) * g
        v = v - (1 - beta2) * np.sign(v - g**2) * g**2
        x = x - eta * m / (np.sqrt(v) + eps)
        yield x


def radam(x, gradients, alpha, beta1=0.9, beta2=0.999, tractable=4.0):
    """Liu et al. 2019, "On the Variance of the Adaptive Learning Rate and Beyond" (arXiv 1908.03265), algorithm 2.

    No ε. The paper rectifies once ρₜ > 4, the authors' code from 5 on.
    """
    rho_inf = 2 / (1 - beta2) - 1
    m = v = 0.0
    for t, g in enumerate(gradients, start=1):
        v = beta2 * v + (1 - beta2) * g**2
        m = beta1 * m + (1 - beta1) * g
        m_hat = m / (1 - beta1**t)
        rho = rho_inf - 2 * t * beta2**t / (1 - beta2**t)
        if rho > tractable:
            adaptive = np.sqrt((1 - beta2**t) / v)
            r = np.sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
            x = x - alpha * r * m_hat * adaptive
        else:
            x = x - alpha * m_hat
        yield x


def laprop(x, gradients, lamda, mu=0.9, nu=0.999, eps=1e-15):
    """Ziyin et al. 2020, "LaProp" (arXiv 2002.04839), algorithm 1."""
    m = n = 0.0
    for t, g in enumerate(gradients, start=1):
        n = nu * n + (1 - nu) * g**2
        m = mu * m + (1 - mu) * g / (np.sqrt(n / (1 - nu**t)) + eps)
        x = x - lamda * m / (1 - mu**t)
        yield x
