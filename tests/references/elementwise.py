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
    """Morwani et al. 2025, "Connections between Schedule-Free Optimizers and AdEMAMix" (arXiv 2502.02431), algorithm 2.

    The second moment is corrected, as in the authors' code.
    """
    m = nu = np.zeros_like(x)
    for t, g in enumerate(gradients, start=1):
        m = beta1 * m + g
        nu = beta2 * nu + (1 - beta2) * g**2
        x = x - eta * ((m + alpha * g) / (np.sqrt(nu / (1 - beta2**t)) + eps) + lamda * x)
        yield x


def acprop(x, gradients, alpha, beta1=0.9, beta2=0.999, eps=1e-16):
    """Zhuang et al. 2021, "Momentum Centering and Asynchronous Update" (arXiv 2110.05454), algorithm 2.

    As in the authors' code, s is corrected, ε is added to it at every step, and the first step is along the gradient.
    """
    m = s = np.zeros_like(x)
    for t, g in enumerate(gradients):
        x = x - alpha * (g if t == 0 else g / (np.sqrt(s / (1 - beta2**t)) + eps))
        m = beta1 * m + (1 - beta1) * g
        s = beta2 * s + (1 - beta2) * (g - m) ** 2 + eps
        yield x


def optimistic_gradient_descent(x, gradients, eta, alpha=1.0, beta=1.0):
    """Mokhtari et al. 2019, "A Unified Analysis of Extra-gradient and Optimistic Gradient Methods" (arXiv 1901.08511), equation 6.

    Daskalakis et al. 2017 have α = β = 1. The point before the first is the first.
    """
    before = gradients[0]
    for g in gradients:
        x = x - eta * (alpha + beta) * g + eta * beta * before
        before = g
        yield x


def optimistic_adam(x, gradients, eta, alpha=1.0, beta=1.0, beta1=0.9, beta2=0.999, eps=1e-8):
    """Daskalakis et al. 2017, "Training GANs with Optimism" (arXiv 1711.00141), algorithm 1, with α and β of Mokhtari et al. 2019.

    The algorithm's step before the first is 0 / 0; here it is the first.
    """
    m = v = 0.0
    before = None
    for t, g in enumerate(gradients, start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        adam = m / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + eps)
        before = adam if before is None else before
        x = x - eta * (alpha + beta) * adam + eta * beta * before
        before = adam
        yield x


def madgrad(x, gradients, gamma, c=0.1):
    """Defazio & Jelassi 2021, "Adaptivity without Compromise" (arXiv 2101.11075), algorithm 1."""
    start, s, nu = x, np.zeros_like(x), np.zeros_like(x)
    for k, g in enumerate(gradients):
        lamda = gamma * np.sqrt(k + 1)
        s = s + lamda * g
        nu = nu + lamda * g * g
        z = start - s / np.cbrt(nu)
        x = (1 - c) * x + c * z
        yield x


def sophia(x, gradient, hessian, draws, eta, lamda=0.2, beta1=0.96, beta2=0.99, gamma=0.01, eps=1e-12, k=10):
    """Liu et al. 2023, "Sophia" (arXiv 2305.14342), algorithm 3 with the estimator of algorithm 1.

    The draws from N(0, I) are given, one for each step, of which each k-th is used.
    """
    m = h = np.zeros_like(x)
    for t, u in enumerate(draws):
        m = beta1 * m + (1 - beta1) * gradient(x)
        if t % k == 0:
            h = beta2 * h + (1 - beta2) * u * (hessian(x) @ u)
        x = x - eta * lamda * x
        x = x - eta * np.clip(m / np.maximum(gamma * h, eps), -1, 1)
        yield x


def ftrl(x, gradients, alpha, beta=1.0, lamda1=0.0, lamda2=0.0):
    """McMahan et al. 2013, "Ad Click Prediction" (KDD), algorithm 1."""
    z = n = np.zeros_like(x)
    for g in gradients:
        sigma = (np.sqrt(n + g**2) - np.sqrt(n)) / alpha
        z = z + g - sigma * x
        n = n + g**2
        x = np.where(np.abs(z) <= lamda1, 0.0, -(z - np.sign(z) * lamda1) / ((beta + np.sqrt(n)) / alpha + lamda2))
        yield x


def tiger(x, gradients, eta, beta=0.965, lamda=0.01):
    """Su 2023, "Tiger: A Tight-fisted Optimizer" (Scientific Spaces 9512), its rule in section 1."""
    m = np.zeros_like(x)
    for g in gradients:
        m = beta * m + (1 - beta) * g
        x = x - eta * (np.sign(m) + lamda * x)
        yield x


def adamc(x, gradients, gamma_max, steps, beta1=0.9, beta2=0.999, eps=1e-8, lamda=0.01):
    """Defazio 2025, "Why Gradients Rapidly Increase Near the End of Training" (arXiv 2506.02285), algorithm 1, normalised layers.

    Here with a learning rate that falls along a straight line, from `gamma_max` to 0 in `steps`.
    """
    m = v = 0.0
    for t, g in enumerate(gradients, start=1):
        gamma = gamma_max * (1 - (t - 1) / steps)
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
        x = x - gamma * m_hat / (np.sqrt(v_hat) + eps) - gamma**2 / gamma_max * lamda * x
        yield x


def qhm(x, gradients, alpha, beta=0.999, nu=0.7):
    """Ma & Yarats 2018, "Quasi-hyperbolic momentum and Adam for deep learning" (arXiv 1810.06801), equations 3 and 4."""
    buffer = 0.0
    for g in gradients:
        buffer = beta * buffer + (1 - beta) * g
        x = x - alpha * ((1 - nu) * g + nu * buffer)
        yield x


def qhadam(x, gradients, alpha, beta1=0.995, beta2=0.999, nu1=0.7, nu2=1.0, eps=1e-8):
    """Ma & Yarats 2018, "Quasi-hyperbolic momentum and Adam for deep learning" (arXiv 1810.06801), section 5."""
    m = s = 0.0
    for t, g in enumerate(gradients, start=1):
        m = beta1 * m + (1 - beta1) * g
        s = beta2 * s + (1 - beta2) * g**2
        numerator = (1 - nu1) * g + nu1 * m / (1 - beta1**t)
        x = x - alpha * numerator / (np.sqrt((1 - nu2) * g**2 + nu2 * s / (1 - beta2**t)) + eps)
        yield x
