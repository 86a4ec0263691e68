"""Keras's optimizers as gradtx parts: the same float64 trajectory, row by row of one table."""

from typing import Any

import keras
import pytest

import gradtx as gx
from gradtx import add_decayed_weights, chain, nesterov, trace
from tests import dialects
from tests.paths import in_gradtx
from tests.peers import in_keras
from tests.references.problem import distance

B1, B2, EPS, DECAY = 0.8, 0.97, 1e-3, 0.1
RATE = {"learning_rate": 0.1}
BETAS = {**RATE, "beta_1": B1, "beta_2": B2, "epsilon": EPS}
FROM_ZERO = {"beta": 1.0, "initial_accumulator_value": 0.0}

# Keras's name, its arguments, and the same optimizer in gradtx. The arguments differ from every default on purpose.
TABLE: list[tuple[str, dict[str, Any], gx.GradientTransformation]] = [
    ("SGD", RATE, gx.sgd(0.1)),
    # Keras's weight decay is decoupled and multiplied by the learning rate, for every optimizer.
    ("SGD", {**RATE, "weight_decay": DECAY}, chain(add_decayed_weights(DECAY), gx.sgd(0.1))),
    ("SGD", {**RATE, "momentum": 0.8}, gx.sgd(0.1, trace(0.8))),
    ("SGD", {**RATE, "momentum": 0.8, "nesterov": True}, gx.sgd(0.1, nesterov(trace(0.8)))),
    ("SGD", {**RATE, "clipvalue": 0.3}, chain(gx.clip(0.3), gx.sgd(0.1))),
    ("SGD", {**RATE, "global_clipnorm": 0.3}, chain(gx.clip_by_global_norm(0.3), gx.sgd(0.1))),
    ("Adagrad", {**RATE, "initial_accumulator_value": 0.3, "epsilon": EPS}, dialects.rooted_adagrad(0.1, 0.3, EPS)),
    ("RMSprop", {**RATE, "rho": 0.8, "epsilon": EPS}, dialects.rooted_rmsprop(0.1, 0.8, EPS)),
    ("RMSprop", {**RATE, "rho": 0.8, "epsilon": EPS, "centered": True}, gx.centered_rmsprop(0.1, 0.8, EPS)),
    (
        "RMSprop",
        {**RATE, "rho": 0.8, "epsilon": EPS, "centered": True, "momentum": 0.7},
        gx.centered_rmsprop(0.1, 0.8, EPS, trace(0.7)),
    ),
    ("Adam", BETAS, dialects.keras_adam(0.1, B1, B2, EPS)),
    ("Adam", {**BETAS, "amsgrad": True}, dialects.keras_amsgrad(0.1, B1, B2, EPS)),
    ("AdamW", {**BETAS, "weight_decay": DECAY}, dialects.keras_adamw(0.1, B1, B2, EPS, DECAY)),
    ("Adamax", BETAS, dialects.keras_adamax(0.1, B1, B2, EPS)),
    ("Nadam", BETAS, gx.nadam(0.1, B1, B2, EPS, momentum_decay=1.0)),
    ("Lion", {**RATE, "beta_1": B1, "beta_2": B2}, gx.lion(0.1, B1, B2)),
    ("Lion", {**RATE, "beta_1": B1, "beta_2": B2, "weight_decay": DECAY}, gx.lion(0.1, B1, B2, DECAY)),
    ("Adadelta", {**RATE, "rho": 0.8, "epsilon": EPS}, gx.adadelta(0.1, 0.8, EPS)),
    ("Lamb", BETAS, gx.lamb(0.1, B1, B2, EPS, 0.0)),
    ("Ftrl", {**RATE, **FROM_ZERO, "l1_regularization_strength": 0.2, "l2_regularization_strength": 0.15}, gx.ftrl(0.1, 1.0, 0.2, 0.3)),
]

# What is called the same and differs, with equal settings.
DIFFERENT: dict[str, tuple[dict[str, Any], gx.GradientTransformation]] = {
    "Adagrad": ({**RATE, "initial_accumulator_value": 0.3, "epsilon": EPS}, gx.adagrad(0.1, 0.3, EPS)),
    "RMSprop": ({**RATE, "rho": 0.8, "epsilon": EPS}, gx.rmsprop(0.1, 0.8, EPS)),
    "Adam": (BETAS, gx.adam(0.1, B1, B2, EPS)),
    "AdamW": ({**BETAS, "weight_decay": DECAY}, gx.adamw(0.1, B1, B2, EPS, DECAY)),
    "Adamax": (BETAS, gx.adamax(0.1, B1, B2, EPS)),
    "Nadam": (BETAS, gx.nadam(0.1, B1, B2, EPS)),
    "Lamb": ({**BETAS, "weight_decay": DECAY}, gx.lamb(0.1, B1, B2, EPS, DECAY)),
    "Ftrl": ({**RATE, "beta": 1.0}, gx.ftrl(0.1)),
}


def row_name(row: Any) -> str:
    name, arguments, _ = row
    shown = (f"{key}={value}" for key, value in arguments.items() if key not in ("learning_rate", "beta_1", "beta_2", "epsilon"))
    return f"{name}({', '.join(shown)})"


@pytest.mark.parametrize("row", TABLE, ids=row_name)
def test_trajectory_is_kerass(row: tuple[str, dict[str, Any], gx.GradientTransformation]) -> None:
    name, arguments, tx = row
    assert distance(in_gradtx(tx), in_keras(name, **arguments)) < 1e-10


@pytest.mark.parametrize("name", DIFFERENT)
def test_known_differences(name: str) -> None:
    arguments, tx = DIFFERENT[name]
    assert distance(in_gradtx(tx), in_keras(name, **arguments)) > 1e-5


def test_every_argument_of_a_row_matters() -> None:
    """The control: no two rows of Keras's follow the same path, so no argument above was without effect."""
    paths = [in_keras(name, **arguments) for name, arguments, _ in TABLE]
    for k, path in enumerate(paths):
        assert min(distance(path, other) for j, other in enumerate(paths) if j != k) > 1e-6, row_name(TABLE[k])


def test_keras_runs_on_jax_as_it_is_installed() -> None:
    """The tests compare with Keras on JAX, with no configuration of the user's and none left behind."""
    assert keras.config.backend() == "jax"
    assert (keras.config.floatx(), keras.config.epsilon()) == ("float32", 1e-7)
