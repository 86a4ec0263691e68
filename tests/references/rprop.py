"""Rprop: steps whose sizes grow while the sign of the gradient lasts and shrink when it turns."""

import numpy as np


def adapted(delta, before, g, eta_minus, eta_plus, delta_min, delta_max):
    """The new step sizes, and where the sign has turned."""
    grown, shrunk = np.minimum(delta * eta_plus, delta_max), np.maximum(delta * eta_minus, delta_min)
    return np.where(before * g > 0, grown, np.where(before * g < 0, shrunk, delta)), before * g < 0


def rprop_plus(x, gradients, delta_0, eta_minus=0.5, eta_plus=1.2, delta_min=1e-6, delta_max=50.0):
    """Igel & Hüsken 2003, "Empirical evaluation of the improved Rprop learning algorithms" (Neurocomputing), section 2, Rprop⁺.

    The method of Riedmiller & Braun 1993: where the sign turns, the last step is taken back.
    """
    delta, before, step = np.full_like(x, delta_0), np.zeros_like(x), np.zeros_like(x)
    for g in gradients:
        delta, turned = adapted(delta, before, g, eta_minus, eta_plus, delta_min, delta_max)
        step = np.where(turned, -step, -np.sign(g) * delta)
        before = np.where(turned, 0.0, g)
        x = x + step
        yield x


def irprop_minus(x, gradients, delta_0, eta_minus=0.5, eta_plus=1.2, delta_min=1e-6, delta_max=50.0):
    """Igel & Hüsken 2003, "Empirical evaluation of the improved Rprop learning algorithms" (Neurocomputing), section 2, iRprop⁻.

    Where the sign turns, no step is taken and none is taken back: PyTorch's Rprop.
    """
    delta, before = np.full_like(x, delta_0), np.zeros_like(x)
    for g in gradients:
        delta, turned = adapted(delta, before, g, eta_minus, eta_plus, delta_min, delta_max)
        before = np.where(turned, 0.0, g)
        x = x - np.sign(before) * delta
        yield x
