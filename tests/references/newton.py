"""Second-order steps. They need the gradient and the Hessian at each point, so they take functions of x."""

import numpy as np


def newton(x, gradient, hessian, steps, eta, damping):
    """Nocedal & Wright 2006, "Numerical Optimization" (Springer), section 3.4.

    The modification of the Hessian is τ I, the simplest of that section.
    """
    for _ in range(steps):
        x = x - eta * np.linalg.solve(hessian(x) + damping * np.eye(x.size), gradient(x))
        yield x
