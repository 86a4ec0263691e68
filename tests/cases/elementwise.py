"""A row for every factory of the element-wise optimizers."""

import gradtx as gx
from gradtx.testing import Case
from tests.cases.exemptions import LOSS, SECOND_ORDER, draws

CASES = [
    Case(gx.scale_by_extrapolated_momentum(gx.ema(0.9), gx.ema(0.8), 0.8)),
    Case(gx.scale_by_proximal_learning_rate(0.1, 0.2), survives="all"),
    Case(gx.adan(0.1, weight_decay=0.1)),
    Case(gx.mixed_average(gx.bias_correction(gx.ema(0.9)), gx.ema(0.99), 2.0)),
    Case(gx.ademamix(0.1, weight_decay=0.1)),
    Case(gx.scale_by_step_rms(0.9, 1e-3)),
    Case(gx.adadelta(0.1)),
    Case(gx.scale_by_lagged_rms(0.9, 1e-3)),
    Case(gx.adopt(0.1, max_delta=2.0, weight_decay=0.1)),
    Case(gx.sgdw(0.1, weight_decay=0.1)),
    Case(gx.adamaxw(0.1)),
    Case(gx.nadamw(0.1)),
    Case(gx.sign_sgd(0.1), survives="all"),
    Case(gx.scale_by_rprop(0.1), survives="all"),
    Case(gx.rprop(0.1), survives="all"),
    Case(gx.noisy_sgd(0.1, 7), survives="all", exempt=draws()),
    Case(gx.simplified_ademamix(0.1, alpha=2.0)),
    Case(gx.scale_by_lagged_belief(0.9, 0.99, 1e-3, 1e-3)),
    Case(gx.acprop(0.1, eps=1e-8, eps_moment=1e-8)),
    Case(gx.scale_by_optimistic_gradient(1.0, 0.5), survives="all"),
    Case(gx.optimistic_gradient_descent(0.1), survives="all"),
    Case(gx.optimistic_adam(0.1)),
    Case(gx.dual_average(0.1, 0.9, 1e-3)),
    Case(gx.madgrad(0.1)),
    Case(gx.scale_by_hessian_diagonal(0.9, 100.0, 0.5, 7, 2), needs=LOSS, survives="all", exempt=SECOND_ORDER | draws()),
    Case(gx.sophia(0.1, 7, gamma=100.0, every=2), needs=LOSS, exempt=SECOND_ORDER | draws()),
    Case(gx.follow_regularized_leader(0.1, l1=0.1, l2=0.1)),
    Case(gx.ftrl(0.1, l1=0.1, l2=0.1)),
    Case(gx.tiger(0.1)),
    Case(gx.add_corrected_decayed_weights(0.1, 0.1, 0.2), survives="all"),
    Case(gx.adamc(0.1, 0.2)),
    Case(gx.quasi_hyperbolic(gx.ema(0.9), 0.7)),
    Case(gx.qhm(0.1)),
    Case(gx.qhadam(0.1, nu2=0.9)),
]
