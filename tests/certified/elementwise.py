"""What is certified of the element-wise optimizers."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import gradtx as gx
from gradtx._core.random import leaf_keys
from tests import dialects
from tests.certified.certificate import LR, Certificate, Paper, Reason, on_convex_loss, paper
from tests.dialects import TINY
from tests.paths import in_gradtx
from tests.references import adan, bowl, elementwise, rprop
from tests.references.problem import STEPS, Path, distance, draws


def noise() -> Path:
    """The draws of `noisy_sgd` under key 0: what it adds to gradients of 0, at a variance that stays 1."""
    start, gradients = draws()
    tx = gx.noisy_sgd(1.0, 0, eta=1.0, gamma=0.0)

    def step(state: Any, gradient: Any) -> Any:
        update, state = tx.update(gradient, state)
        return state, jax.tree.map(jnp.negative, update)

    with jax.enable_x64(True):
        return jax.tree.map(np.asarray, jax.lax.scan(step, tx.init(start), jax.tree.map(np.zeros_like, gradients))[1])


def noisy_paper(tx: gx.GradientTransformation, **numbers: float) -> Paper:
    def distance_of(tx: gx.GradientTransformation) -> float:
        (start, gradients), drawn = draws(), noise()
        reference = elementwise.noisy_gradient_descent
        path = {leaf: np.stack(list(reference(start[leaf], gradients[leaf], drawn[leaf], **numbers))) for leaf in start}
        return distance(in_gradtx(tx), path)

    return Paper(elementwise.noisy_gradient_descent, tx, distance_of)


def sophia_points() -> Iterator[Any]:
    """At a tenth of the learning rate: larger steps go back and forth across the minimum, which doubles what rounding makes of them."""
    with jax.enable_x64(True):
        normals = [np.asarray(jax.random.normal(leaf_keys(jax.random.key(0), step, bowl.START), bowl.START.shape)) for step in range(STEPS)]
    return elementwise.sophia(bowl.START, bowl.gradient, bowl.hessian, normals, eta=0.01)


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
    Certificate("sgdw(lr)", paper(gx.sgdw(LR), elementwise.sgdw, alpha=LR, lamda=LR * 5e-4)),
    Certificate(
        "adamaxw(lr)",
        paper(gx.adamaxw(LR, eps=TINY), elementwise.adamaxw, alpha=LR, lamda=LR * 0.01),
        None,
        optax.adamaxw(LR, 0.9, 0.999, 1e-8, weight_decay=0.01),
    ),
    Certificate(
        "nadamw(lr)",
        paper(gx.nadamw(LR), elementwise.nadamw, alpha=LR, lamda=LR * 0.01),
        (
            "NAdam",
            {"lr": LR, "betas": (0.9, 0.999), "eps": 1e-8, "momentum_decay": 0.004, "weight_decay": 0.01, "decoupled_weight_decay": True},
        ),
        optax.nadamw(LR, 0.9, 0.999, 1e-8, weight_decay=0.01),
        ("Nadam", {"learning_rate": LR, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8, "weight_decay": 0.01}),
        {
            "paper": Reason("m averages with μₜ, and n̂ has a factor β₂", dialects.paper_nadamw(LR, 0.9, 0.999, 1e-8, 0.01, 0.004)),
            "Optax": Reason("μ is constant", dialects.optax_nadamw(LR, 0.9, 0.999, 1e-8, 0.01)),
            "Keras": Reason("ψ is 1", gx.nadamw(LR, momentum_decay=1.0)),
        },
    ),
    Certificate("sign_sgd(lr)", paper(gx.sign_sgd(LR), elementwise.sign_sgd, delta=LR), None, optax.sign_sgd(LR)),
    Certificate(
        "rprop(lr)",
        paper(gx.rprop(LR), rprop.irprop_minus, delta_0=LR),
        ("Rprop", {"lr": LR, "etas": (0.5, 1.2), "step_sizes": (1e-6, 50.0)}),
        optax.rprop(LR),
        None,
        {"Optax": Reason("takes each step one gradient late", dialects.optax_rprop(LR))},
    ),
    Certificate("noisy_sgd(lr, 0)", noisy_paper(gx.noisy_sgd(LR, 0), alpha=LR)),
    Certificate(
        "simplified_ademamix(lr, alpha=10)",
        paper(gx.simplified_ademamix(LR, alpha=10), elementwise.simplified_ademamix, eta=LR, alpha=10),
        None,
        optax.contrib.simplified_ademamix(LR, 0.99, 0.95, 10, 1e-8),
    ),
    Certificate(
        "acprop(lr)",
        paper(gx.acprop(LR), elementwise.acprop, alpha=LR),
        None,
        optax.contrib.acprop(LR, 0.9, 0.999, 1e-16, 1e-16),
        None,
        {"Optax": Reason("g is compared with m of the step before", dialects.optax_acprop(LR, 0.9, 0.999, 1e-16, 1e-16))},
    ),
    Certificate(
        "optimistic_gradient_descent(lr)",
        paper(gx.optimistic_gradient_descent(LR), elementwise.optimistic_gradient_descent, eta=LR),
        None,
        optax.optimistic_gradient_descent(LR),
    ),
    Certificate(
        "optimistic_adam(lr)",
        paper(gx.optimistic_adam(LR), elementwise.optimistic_adam, eta=LR),
        None,
        optax.optimistic_adam_v2(LR, nesterov=False),
    ),
    Certificate(
        "madgrad(lr)",
        paper(gx.madgrad(LR, eps=TINY), elementwise.madgrad, gamma=LR),
        None,
        optax.contrib.madgrad(LR, 0.9, eps=1e-6),
        None,
        {"Optax": Reason("ε is added to the learning rate too, and λ is in float32", dialects.optax_madgrad(LR, 1e-6))},
    ),
    Certificate(
        "sophia(lr, 0)",
        on_convex_loss(gx.sophia(0.01, 0), elementwise.sophia, sophia_points),
    ),
    Certificate(
        "ftrl(lr, l1=0.5, l2=0.1)",
        paper(gx.ftrl(LR, l1=0.5, l2=0.1), elementwise.ftrl, alpha=LR, lamda1=0.5, lamda2=0.1),
        keras=(
            "Ftrl",
            {
                "learning_rate": LR,
                "initial_accumulator_value": 0.0,
                "beta": 1.0,
                "l1_regularization_strength": 0.5,
                "l2_regularization_strength": 0.05,
            },
        ),
    ),
    Certificate("tiger(lr)", paper(gx.tiger(LR), elementwise.tiger, eta=LR)),
    Certificate(
        "adamc(linear_schedule(lr, 0, 60), lr)",
        paper(gx.adamc(gx.linear_schedule(LR, 0, 60), LR), elementwise.adamc, gamma_max=LR, steps=60),
    ),
    Certificate("qhm(lr)", paper(gx.qhm(LR), elementwise.qhm, alpha=LR)),
    Certificate("qhadam(lr)", paper(gx.qhadam(LR), elementwise.qhadam, alpha=LR)),
]
