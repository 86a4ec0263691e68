"""What is certified of the foundation."""

from collections.abc import Iterator
from typing import Any

import optax

import gradtx as gx
from tests import dialects
from tests.certified.certificate import LR, Certificate, Reason, on_convex_loss, paper
from tests.dialects import TINY
from tests.paths import drawn
from tests.references import adam, adaptive, bowl, momentum, newton, search
from tests.references.problem import STEPS

B1, B2, EPS = 0.9, 0.999, 1e-8
IN_TORCH = {"lr": LR, "betas": (B1, B2), "eps": EPS}
IN_KERAS = {"learning_rate": LR, "beta_1": B1, "beta_2": B2, "epsilon": EPS}
BEFORE = "ε joins √v before the correction"
INSIDE = "ε is inside the root"


def newton_points() -> Iterator[Any]:
    return newton.newton(bowl.START, bowl.gradient, bowl.hessian, STEPS, eta=1.0, damping=1e-4)


def search_points() -> Iterator[Any]:
    return search.random_search(bowl.START, drawn(gx.random_search(0.1, 0)), bowl.value)


CERTIFICATES = [
    Certificate(
        "sgd(lr)",
        paper(gx.sgd(LR), momentum.gradient_descent, alpha=LR),
        ("SGD", {"lr": LR}),
        optax.sgd(LR),
        ("SGD", {"learning_rate": LR}),
    ),
    Certificate(
        "sgd(lr, trace(0.9))",
        paper(gx.sgd(LR, gx.trace(0.9)), momentum.heavy_ball, alpha=LR, beta=0.9),
        ("SGD", {"lr": LR, "momentum": 0.9}),
        optax.sgd(LR, 0.9),
        ("SGD", {"learning_rate": LR, "momentum": 0.9}),
    ),
    Certificate(
        "sgd(lr, nesterov(trace(0.9)))",
        paper(gx.sgd(LR, gx.nesterov(gx.trace(0.9))), momentum.nesterov, epsilon=LR, mu=0.9),
        ("SGD", {"lr": LR, "momentum": 0.9, "nesterov": True}),
        optax.sgd(LR, 0.9, nesterov=True),
        ("SGD", {"learning_rate": LR, "momentum": 0.9, "nesterov": True}),
    ),
    Certificate(
        "adagrad(lr)",
        paper(gx.adagrad(LR), adaptive.adagrad, eta=LR, delta=1e-10),
        ("Adagrad", {"lr": LR, "initial_accumulator_value": 0.0, "eps": 1e-10}),
        optax.adagrad(LR, 0.0, 1e-10),
        ("Adagrad", {"learning_rate": LR, "initial_accumulator_value": 0.0, "epsilon": 1e-10}),
        {
            "Optax": Reason(INSIDE, dialects.rooted_adagrad(LR, 0.0, 1e-10)),
            "Keras": Reason(INSIDE, dialects.rooted_adagrad(LR, 0.0, 1e-10)),
        },
    ),
    Certificate(
        "rmsprop(lr)",
        paper(gx.rmsprop(LR, eps=TINY), adaptive.rmsprop, alpha=LR, eps=0.0),
        ("RMSprop", {"lr": LR, "alpha": 0.9, "eps": EPS}),
        optax.rmsprop(LR, 0.9, EPS),
        ("RMSprop", {"learning_rate": LR, "rho": 0.9, "epsilon": EPS}),
        {
            "Optax": Reason(INSIDE, dialects.rooted_rmsprop(LR, 0.9, EPS)),
            "Keras": Reason(INSIDE, dialects.rooted_rmsprop(LR, 0.9, EPS)),
        },
    ),
    Certificate(
        "centered_rmsprop(lr, momentum=trace(0.9))",
        paper(gx.centered_rmsprop(LR, momentum=gx.trace(0.9)), adaptive.centered_rmsprop, gimel=LR),
        ("RMSprop", {"lr": LR, "alpha": 0.95, "eps": 1e-4, "centered": True, "momentum": 0.9}),
        optax.rmsprop(LR, 0.95, 1e-4, centered=True, momentum=0.9),
        ("RMSprop", {"learning_rate": LR, "rho": 0.95, "epsilon": 1e-4, "centered": True, "momentum": 0.9}),
        {"PyTorch": Reason("ε is outside the root", dialects.torch_centered_rmsprop(LR, 0.95, 1e-4, gx.trace(0.9)))},
    ),
    Certificate(
        "adam(lr)",
        paper(gx.adam(LR), adam.adam, alpha=LR),
        ("Adam", IN_TORCH),
        optax.adam(LR, B1, B2, EPS),
        ("Adam", IN_KERAS),
        {"Keras": Reason(BEFORE, dialects.keras_adam(LR, B1, B2, EPS))},
    ),
    Certificate(
        "adamw(lr)",
        paper(gx.adamw(LR), adam.adamw, alpha=LR, lamda=LR * 0.01),
        ("AdamW", {**IN_TORCH, "weight_decay": 0.01}),
        optax.adamw(LR, B1, B2, EPS, weight_decay=0.01),
        ("AdamW", {**IN_KERAS, "weight_decay": 0.01}),
        {"Keras": Reason(BEFORE, dialects.keras_adamw(LR, B1, B2, EPS, 0.01))},
    ),
    Certificate("uncorrected_adam(lr)", paper(gx.uncorrected_adam(LR), adam.uncorrected_adam, alpha=LR)),
    Certificate(
        "nadam(lr)",
        paper(gx.nadam(LR), adam.nadam, alpha=LR),
        ("NAdam", {**IN_TORCH, "momentum_decay": 0.004}),
        optax.nadam(LR, B1, B2, EPS),
        ("Nadam", IN_KERAS),
        {
            "paper": Reason("m averages with μₜ, and n̂ has a factor β₂", dialects.paper_nadam(LR, B1, B2, EPS, 0.004)),
            "Optax": Reason("μ is constant", dialects.optax_nadam(LR, B1, B2, EPS)),
            "Keras": Reason("ψ is 1", gx.nadam(LR, momentum_decay=1.0)),
        },
    ),
    Certificate(
        "radam(lr)",
        paper(gx.radam(LR, eps=TINY), adam.radam, alpha=LR),
        ("RAdam", IN_TORCH),
        optax.radam(LR, B1, B2, EPS),
        None,
        {
            "paper": Reason("rectifies from ρ > 4 on, one step earlier", None),
            "Optax": Reason("ε joins √v̂ after the correction", dialects.optax_radam(LR, B1, B2, EPS)),
        },
    ),
    Certificate(
        "amsgrad(lr)",
        paper(gx.amsgrad(LR, eps=TINY), adam.amsgrad, alpha=LR),
        ("Adam", {**IN_TORCH, "amsgrad": True}),
        optax.amsgrad(LR, B1, B2, EPS),
        ("Adam", {**IN_KERAS, "amsgrad": True}),
        {
            "paper": Reason("corrects neither moment", dialects.paper_amsgrad(LR, B1, B2)),
            "Optax": Reason("the largest of corrected v", dialects.optax_amsgrad(LR, B1, B2, EPS)),
            "Keras": Reason(BEFORE, dialects.keras_amsgrad(LR, B1, B2, EPS)),
        },
    ),
    Certificate(
        "adamax(lr)",
        paper(gx.adamax(LR, eps=TINY), adam.adamax, alpha=LR),
        ("Adamax", IN_TORCH),
        optax.adamax(LR, B1, B2, EPS),
        ("Adamax", IN_KERAS),
        {"Keras": Reason("ε is added to u", dialects.keras_adamax(LR, B1, B2, EPS))},
    ),
    Certificate("adabelief(lr)", paper(gx.adabelief(LR), adam.adabelief, alpha=LR), None, optax.adabelief(LR, B1, B2, 1e-16, 1e-16)),
    Certificate(
        "yogi(lr)",
        paper(gx.yogi(LR), adam.yogi, eta=LR),
        None,
        optax.yogi(LR, B1, B2, 1e-3),
        None,
        {"Optax": Reason("m starts at 1e-6 too, both are corrected", dialects.optax_yogi(LR, B1, B2, 1e-3))},
    ),
    Certificate("laprop(lr)", paper(gx.laprop(LR), adam.laprop, lamda=LR)),
    Certificate("signum(lr)", paper(gx.signum(LR), momentum.signum, delta=LR, beta=0.9), None, optax.signum(LR, 0.9)),
    Certificate(
        "lion(lr)",
        paper(gx.lion(LR), momentum.lion, eta=LR, beta1=0.9, beta2=0.99, lamda=0.0),
        None,
        optax.lion(LR, 0.9, 0.99, weight_decay=0.0),
        ("Lion", {"learning_rate": LR, "beta_1": 0.9, "beta_2": 0.99}),
    ),
    Certificate("newton()", on_convex_loss(gx.newton(), newton.newton, newton_points)),
    Certificate(
        "newton_cg()",
        on_convex_loss(gx.newton_cg(), newton.newton, newton_points),
        reasons={"paper": Reason("solves to a tolerance of 1e-4", gx.newton_cg(tolerance=1e-13))},
    ),
    Certificate("random_search(0.1, 0)", on_convex_loss(gx.random_search(0.1, 0), search.random_search, search_points)),
]
