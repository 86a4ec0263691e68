"""Methods that move each element by its own past alone."""

import numpy as np


def ademamix(x, gradients, eta, beta1=0.9, beta2=0.999, beta3=0.9999, alpha=5.0, eps=1e-8, lamda=0.0, warmup=None):
    """Pagliardini et al. 2024, "The AdEMAMix Optimizer" (arXiv 2409.03137), algorithm 1.

    Schedulers of α and β₃ over `warmup` steps, with β_start = β₁; none unless given.
    """
    m1 = m2 = nu = np.zeros_like(x)
    for t, g in enumerate(gradients, start=1):
        share = 1.0 if warmup is None else min(t / warmup, 1.0)
        slow = np.exp(np.log(beta1) * np.log(beta3) / ((1 - share) * np.log(beta3) + share * np.log(beta1)))
        m1 = beta1 * m1 + (1 - beta1) * g
        m2 = slow * m2 + (1 - slow) * g
        nu = beta2 * nu + (1 - beta2) * g**2
        m1_hat, nu_hat = m1 / (1 - beta1**t), nu / (1 - beta2**t)
        x = x - eta * ((m1_hat + share * alpha * m2) / (np.sqrt(nu_hat) + eps) + lamda * x)
        yield x


def adadelta(x, gradients, rho=0.95, eps=1e-6):
    """Zeiler 2012, "ADADELTA" (arXiv 1212.5701), algorithm 1."""
    of_gradient = of_step = np.zeros_like(x)
    for g in gradients:
        of_gradient = rho * of_gradient + (1 - rho) * g**2
        step = -np.sqrt(of_step + eps) / np.sqrt(of_gradient + eps) * g
        of_step = rho * of_step + (1 - rho) * step**2
        x = x + step
        yield x


def adopt(x, gradients, alpha, beta1=0.9, beta2=0.9999, eps=1e-6, exponent=0.25):
    """Taniguchi et al. 2024, "ADOPT" (arXiv 2411.02853), algorithm 2."""
    m, v = np.zeros_like(x), gradients[0] ** 2
    yield x
    for t, g in enumerate(gradients[1:], start=1):
        bound = t**exponent
        m = beta1 * m + (1 - beta1) * np.clip(g / np.maximum(np.sqrt(v), eps), -bound, bound)
        x = x - alpha * m
        v = beta2 * v + (1 - beta2) * g**2
        yield x


def sgdw(x, gradients, alpha, lamda, beta1=0.9, eta=1.0):
    """Loshchilov & Hutter 2017, "Decoupled Weight Decay Regularization" (arXiv 1711.05101), algorithm 1.

    λ is multiplied by the schedule η, not by α.
    """
    m = 0.0
    for g in gradients:
        m = beta1 * m + eta * alpha * g
        x = x - m - eta * lamda * x
        yield x


def adamaxw(x, gradients, alpha, lamda, beta1=0.9, beta2=0.999):
    """Kingma & Ba 2014, "Adam" (arXiv 1412.6980), algorithm 2, with the decay of Loshchilov & Hutter 2017, algorithm 2, for η = 1."""
    m = u = np.zeros_like(x)
    for t, g in enumerate(gradients, start=1):
        m = beta1 * m + (1 - beta1) * g
        u = np.maximum(beta2 * u, np.abs(g))
        x = x - alpha / (1 - beta1**t) * m / u - lamda * x
        yield x


def nadamw(x, gradients, alpha, lamda, mu=0.9, nu=0.999, eps=1e-8, psi=0.004):
    """Dozat 2016, "Incorporating Nesterov Momentum into Adam" (ICLR workshop), algorithm 2, with the decay of Loshchilov & Hutter 2017.

    λ is not multiplied by α.
    """
    momentum = [mu * (1 - 0.5 * 0.96 ** (psi * t)) for t in range(1, len(gradients) + 2)]
    m = n = 0.0
    for t, g in enumerate(gradients, start=1):
        now, following = momentum[t - 1], momentum[t]
        m = now * m + (1 - now) * g
        n = nu * n + (1 - nu) * g**2
        m_bar = following * m / (1 - np.prod(momentum[: t + 1])) + (1 - now) * g / (1 - np.prod(momentum[:t]))
        x = x - alpha * m_bar / (np.sqrt(nu * n / (1 - nu**t)) + eps) - lamda * x
        yield x


def sign_sgd(x, gradients, delta):
    """Bernstein et al. 2018, "signSGD" (arXiv 1802.04434), algorithm 1."""
    for g in gradients:
        x = x - delta * np.sign(g)
        yield x


def noisy_gradient_descent(x, gradients, noise, alpha, eta=0.01, gamma=0.55):
    """Neelakantan et al. 2015, "Adding Gradient Noise" (arXiv 1511.06807), equation 1.

    The draws from N(0, 1) are given, one for each gradient.
    """
    for t, (g, xi) in enumerate(zip(gradients, noise, strict=True)):
        x = x - alpha * (g + np.sqrt(eta / (1 + t) ** gamma) * xi)
        yield x


def simplified_ademamix(x, gradients, eta, beta1=0.99, beta2=0.95, alpha=0.0, eps=1e-8, lamda=0.0):
    """Morwani et al. 2025, "Connections between Schedule-Free Optimizers, AdEMAMix, and Accelerated SGD Variants" (arXiv 2502.02431), algorithm 1.

    The second moment is corrected, as in the authors' code.
    """
    m = nu = np.zeros_like(x)
    for t, g in enumerate(gradients, start=1):
        m = beta1 * m + g
        nu = beta2 * nu + (1 - beta2) * g**2
        x = x - eta * ((m + alpha * g) / (np.sqrt(nu / (1 - beta2**t)) + eps) + lamda * x)
        yield x
