"""Averages of the gradient, divided by the weight that they have gathered."""


def corrected_average(x, gradients, alpha, beta):
    """Kingma & Ba 2014, "Adam" (arXiv 1412.6980), algorithm 1 without its denominator: x ← x − α m / (1 − βᵗ), t counted from 1."""
    m = 0.0
    for t, g in enumerate(gradients, start=1):
        m = beta * m + (1 - beta) * g
        x = x - alpha * m / (1 - beta**t)
        yield x
