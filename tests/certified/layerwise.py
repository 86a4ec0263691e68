"""What is certified of the methods that measure a layer as a whole."""

import optax

import gradtx as gx
from tests.certified.certificate import LR, Certificate, Reason, paper
from tests.dialects import TINY
from tests.references import layerwise

SUMMED = gx.chain(
    gx.add_decayed_weights(0.0005), gx.scale_by_trust_ratio(0.001), gx.scale_by_learning_rate(LR), gx.scale_by_momentum(gx.trace(0.9))
)

CERTIFICATES = [
    Certificate(
        "lars(lr)",
        paper(gx.lars(LR), layerwise.lars, gamma=LR),
        None,
        optax.lars(LR, 0.0005, trust_coefficient=0.001, momentum=0.9),
        None,
        {"Optax": Reason("divides by the norm of the sum", SUMMED)},
    ),
    Certificate(
        "lamb(lr)",
        paper(gx.lamb(LR), layerwise.lamb, eta=LR),
        None,
        optax.lamb(LR, 0.9, 0.999, 1e-6, weight_decay=0.01),
        ("Lamb", {"learning_rate": LR, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-6}),
        {"Keras": Reason("no weight decay in the ratio", gx.lamb(LR, weight_decay=0.0))},
    ),
    Certificate(
        "novograd(lr)",
        paper(gx.novograd(LR, eps=TINY), layerwise.novograd, lamda=LR),
        None,
        optax.novograd(LR, 0.95, 0.98, 1e-8, weight_decay=0.001),
    ),
    Certificate("mars_adamw(lr)", paper(gx.mars_adamw(LR), layerwise.mars_adamw, eta=LR)),
    Certificate("fromage(lr)", paper(gx.fromage(LR), layerwise.fromage, eta=LR), None, optax.fromage(LR, 0.0)),
]
