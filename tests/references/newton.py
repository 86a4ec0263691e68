"""Second-order steps. They need the gradient and the Hessian at each point, so they take functions of x."""

import numpy as np


def newton(x, gradient, hessian, steps, eta, damping):
    """Nocedal & Wright 2006, equation 3.38 with the modification τ I of section 3.4."""
    for _ in range(steps):
        x = x - eta * np.linalg.solve(hessian(x) + damping * np.eye(x.size), gradient(x))
        yield x
