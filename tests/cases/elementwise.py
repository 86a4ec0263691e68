"""A row for every factory of the element-wise optimizers."""

import gradtx as gx
from gradtx.testing import Case
from tests.cases.exemptions import draws

CASES = [
    Case(gx.scale_by_extrapolated_momentum(gx.ema(0.9), gx.ema(0.8), 0.8)),
    Case(gx.scale_by_proximal_learning_rate(0.1, 0.2), survives="all"),
    Case(gx.adan(0.1, weight_decay=0.1)),
    Case(gx.mixed_average(gx.bias_correction(gx.ema(0.9)), gx.ema(0.99), 2.0)),
    Case(gx.ademamix(0.1, weight_decay=0.1)),
    Case(gx.scale_by_step_rms(0.9, 1e-3)),
    Case(gx.adadelta(0.1)),
    Case(gx.scale_by_lagged_rms(0.9, 1e-3)),
    Case(gx.adopt(0.1, weight_decay=0.1)),
    Case(gx.sgdw(0.1, weight_decay=0.1)),
    Case(gx.adamaxw(0.1)),
    Case(gx.nadamw(0.1)),
    Case(gx.sign_sgd(0.1), survives="all"),
    Case(gx.scale_by_rprop(0.1)),
    Case(gx.rprop(0.1)),
    Case(gx.noisy_sgd(0.1, 7), survives="all", exempt=draws()),
    Case(gx.simplified_ademamix(0.1, alpha=2.0)),
]
