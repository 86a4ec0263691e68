"""What is certified of the element-wise optimizers."""

import optax

import gradtx as gx
from tests import dialects
from tests.certified.certificate import LR, Certificate, Reason, paper
from tests.dialects import TINY
from tests.references import adan, elementwise, rprop

CERTIFICATES = [
    Certificate(
        "adan(lr)",
        paper(gx.adan(LR), adan.adan, eta=LR),
        None,
        optax.adan(LR, 0.98, 0.92, 0.99, 1e-8, eps_root=0.0),
        None,
        {
            "paper": Reason("averages start at the first gradient", dialects.paper_adan(LR, 0.98, 0.92, 0.99, 1e-8)),
            "Optax": Reason("differences are mixed in with 1 − b2", dialects.optax_adan(LR, 0.98, 0.92, 0.99, 1e-8)),
        },
    ),
    Certificate(
        "ademamix(lr)",
        paper(gx.ademamix(LR), elementwise.ademamix, eta=LR),
        None,
        optax.contrib.ademamix(LR, 0.9, 0.999, 0.9999, 5.0, 1e-8),
    ),
    Certificate(
        "adadelta(lr)",
        paper(gx.adadelta(), elementwise.adadelta),
        ("Adadelta", {"lr": LR, "rho": 0.95, "eps": 1e-6}),
        optax.adadelta(LR, 0.95, 1e-6),
        ("Adadelta", {"learning_rate": LR, "rho": 0.95, "epsilon": 1e-6}),
    ),
    Certificate(
        "adopt(lr)",
        paper(gx.adopt(LR), elementwise.adopt, alpha=LR),
        None,
        optax.contrib.adopt(LR, 0.9, 0.9999, 1e-6),
    ),
]
