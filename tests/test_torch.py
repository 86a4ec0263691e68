"""PyTorch's optimizers as gradtx parts: the same float64 trajectory, row by row of one table."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
import pytest
import torch

import gradtx as gx
from gradtx import (
    add_decayed_weights,
    bias_correction,
    chain,
    dozat_average,
    ema,
    inverse_time_decay,
    nesterov,
    piecewise_constant_schedule,
    running_max,
    running_sum,
    scale,
    scale_by_learning_rate,
    scale_by_momentum,
    scale_by_rectified_rms,
    scale_by_rms,
    scale_by_stddev,
    shifted_schedule,
    trace,
)

STEPS = 50
B1, B2, EPS, DECAY = 0.8, 0.97, 1e-3, 0.1
BETAS = {"betas": (B1, B2), "eps": EPS}


def adam_parts(*parts: gx.GradientTransformation) -> gx.GradientTransformation:
    """Adam's first part and its learning rate of 0.1 around other parts."""
    return chain(scale_by_momentum(bias_correction(ema(B1))), *parts, scale_by_learning_rate(0.1))


NADAM_MOMENTUM = gx.nadam_momentum_schedule(B1, 0.1)

# PyTorch's name, its arguments, and the same optimizer in gradtx. The arguments differ from every default on purpose.
TABLE: list[tuple[str, dict[str, Any], gx.GradientTransformation]] = [
    ("SGD", {"lr": 0.1}, gx.sgd(0.1)),
    ("SGD", {"lr": 0.1, "weight_decay": DECAY}, chain(add_decayed_weights(DECAY), gx.sgd(0.1))),
    ("SGD", {"lr": 0.1, "momentum": 0.8}, gx.sgd(0.1, trace(0.8))),
    ("SGD", {"lr": 0.1, "momentum": 0.8, "weight_decay": DECAY}, chain(add_decayed_weights(DECAY), gx.sgd(0.1, trace(0.8)))),
    ("SGD", {"lr": 0.1, "momentum": 0.8, "nesterov": True}, gx.sgd(0.1, nesterov(trace(0.8)))),
    (
        "SGD",
        {"lr": 0.1, "momentum": 0.8, "nesterov": True, "weight_decay": DECAY},
        chain(add_decayed_weights(DECAY), gx.sgd(0.1, nesterov(trace(0.8)))),
    ),
    # Dampening spares the first gradient.
    (
        "SGD",
        {"lr": 0.1, "momentum": 0.8, "dampening": 0.4},
        chain(scale(piecewise_constant_schedule((1.0, 0.6), (1,))), gx.sgd(0.1, trace(0.8))),
    ),
    (
        "SGD",
        {"lr": 0.1, "momentum": 0.8, "dampening": 0.4, "weight_decay": DECAY},
        chain(add_decayed_weights(DECAY), scale(piecewise_constant_schedule((1.0, 0.6), (1,))), gx.sgd(0.1, trace(0.8))),
    ),
    ("SGD", {"lr": 0.01, "maximize": True}, chain(scale(-1.0), gx.sgd(0.01))),
    (
        "SGD",
        {"lr": 0.01, "maximize": True, "momentum": 0.8, "weight_decay": DECAY},
        chain(scale(-1.0), add_decayed_weights(DECAY), gx.sgd(0.01, trace(0.8))),
    ),
    ("Adagrad", {"lr": 0.1, "eps": EPS}, gx.adagrad(0.1, eps=EPS)),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.2, "eps": EPS}, gx.adagrad(inverse_time_decay(0.1, 0.2), eps=EPS)),
    ("Adagrad", {"lr": 0.1, "initial_accumulator_value": 0.3, "eps": EPS}, gx.adagrad(0.1, 0.3, EPS)),
    ("Adagrad", {"lr": 0.1, "weight_decay": DECAY, "eps": EPS}, chain(add_decayed_weights(DECAY), gx.adagrad(0.1, eps=EPS))),
    (
        "Adagrad",
        {"lr": 0.1, "lr_decay": 0.2, "initial_accumulator_value": 0.3, "weight_decay": DECAY, "eps": EPS},
        chain(add_decayed_weights(DECAY), scale_by_rms(running_sum(0.3), EPS), scale_by_learning_rate(inverse_time_decay(0.1, 0.2))),
    ),
    ("RMSprop", {"lr": 0.1, "alpha": 0.95, "eps": EPS}, gx.rmsprop(0.1, 0.95, EPS)),
    ("RMSprop", {"lr": 0.1, "alpha": 0.95, "eps": EPS, "momentum": 0.8}, gx.rmsprop(0.1, 0.95, EPS, trace(0.8))),
    (
        "RMSprop",
        {"lr": 0.1, "alpha": 0.95, "eps": EPS, "weight_decay": DECAY},
        chain(add_decayed_weights(DECAY), gx.rmsprop(0.1, 0.95, EPS)),
    ),
    # gradtx.centered_rmsprop has its epsilon inside the root, as in the paper; PyTorch's is outside.
    (
        "RMSprop",
        {"lr": 0.1, "alpha": 0.95, "eps": EPS, "centered": True},
        chain(scale_by_stddev(ema(0.95), EPS), scale_by_learning_rate(0.1)),
    ),
    (
        "RMSprop",
        {"lr": 0.1, "alpha": 0.95, "eps": EPS, "centered": True, "momentum": 0.8, "weight_decay": DECAY},
        chain(
            add_decayed_weights(DECAY),
            scale_by_stddev(ema(0.95), EPS),
            scale_by_momentum(trace(0.8)),
            scale_by_learning_rate(0.1),
        ),
    ),
    ("Adam", {"lr": 0.1, **BETAS}, gx.adam(0.1, B1, B2, EPS)),
    ("Adam", {"lr": 0.1, **BETAS, "weight_decay": DECAY}, chain(add_decayed_weights(DECAY), gx.adam(0.1, B1, B2, EPS))),
    ("Adam", {"lr": 0.1, **BETAS, "maximize": True}, chain(scale(-1.0), gx.adam(0.1, B1, B2, EPS))),
    ("Adam", {"lr": 0.1, **BETAS, "amsgrad": True}, gx.amsgrad(0.1, B1, B2, EPS)),
    (
        "Adam",
        {"lr": 0.1, **BETAS, "amsgrad": True, "weight_decay": DECAY},
        chain(add_decayed_weights(DECAY), gx.amsgrad(0.1, B1, B2, EPS)),
    ),
    ("AdamW", {"lr": 0.1, **BETAS, "weight_decay": DECAY}, gx.adamw(0.1, B1, B2, EPS, DECAY)),
    (
        "AdamW",
        {"lr": 0.1, **BETAS, "weight_decay": DECAY, "amsgrad": True},
        adam_parts(scale_by_rms(bias_correction(running_max(ema(B2))), EPS), add_decayed_weights(DECAY)),
    ),
    ("NAdam", {"lr": 0.1, **BETAS, "momentum_decay": 0.1}, gx.nadam(0.1, B1, B2, EPS, 0.1)),
    (
        "NAdam",
        {"lr": 0.1, **BETAS, "momentum_decay": 0.1, "weight_decay": DECAY},
        chain(add_decayed_weights(DECAY), gx.nadam(0.1, B1, B2, EPS, 0.1)),
    ),
    (
        "NAdam",
        {"lr": 0.1, **BETAS, "momentum_decay": 0.1, "weight_decay": DECAY, "decoupled_weight_decay": True},
        chain(
            scale_by_momentum(dozat_average(B1, NADAM_MOMENTUM, shifted_schedule(NADAM_MOMENTUM, 1))),
            scale_by_rms(bias_correction(ema(B2)), EPS),
            add_decayed_weights(DECAY),
            scale_by_learning_rate(0.1),
        ),
    ),
    ("RAdam", {"lr": 0.1, **BETAS}, gx.radam(0.1, B1, B2, EPS)),
    ("RAdam", {"lr": 0.1, **BETAS, "weight_decay": DECAY}, chain(add_decayed_weights(DECAY), gx.radam(0.1, B1, B2, EPS))),
    (
        "RAdam",
        {"lr": 0.1, **BETAS, "weight_decay": DECAY, "decoupled_weight_decay": True},
        adam_parts(scale_by_rectified_rms(B2, EPS), add_decayed_weights(DECAY)),
    ),
    ("Adamax", {"lr": 0.1, **BETAS}, gx.adamax(0.1, B1, B2, EPS)),
    ("Adamax", {"lr": 0.1, **BETAS, "weight_decay": DECAY}, chain(add_decayed_weights(DECAY), gx.adamax(0.1, B1, B2, EPS))),
]

# Where the defaults differ: PyTorch's name and argument, gradtx's, and the two values.
DIFFERENT_DEFAULTS = [
    ("RMSprop", "alpha", gx.rmsprop, "decay", 0.99, 0.9),
    ("SGD", "lr", gx.sgd, "learning_rate", 1e-3, inspect.Parameter.empty),
]

# Where they agree, beside the learning rate, which gradtx leaves to the caller.
SAME_DEFAULTS = [
    ("Adagrad", "eps", gx.adagrad, "eps"),
    ("Adagrad", "initial_accumulator_value", gx.adagrad, "initial"),
    ("RMSprop", "eps", gx.rmsprop, "eps"),
    ("Adam", "eps", gx.adam, "eps"),
    ("AdamW", "weight_decay", gx.adamw, "weight_decay"),
    ("NAdam", "momentum_decay", gx.nadam, "momentum_decay"),
    ("RAdam", "eps", gx.radam, "eps"),
    ("Adamax", "eps", gx.adamax, "eps"),
]


@pytest.fixture(autouse=True)
def double_precision() -> Iterator[None]:
    """Float64 on both sides. PyTorch keeps NAdam's product of momenta in its default dtype."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    with jax.enable_x64(True):
        yield
    torch.set_default_dtype(before)


RNG = np.random.default_rng(0)
INPUTS, TARGETS = RNG.normal(size=(16, 3)), RNG.uniform(-1.5, 1.5, size=(16, 2))
START = {"bias": np.zeros(2), "gain": np.array(1.5), "kernel": RNG.normal(size=(3, 2))}


def gradient(params: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The gradient of mean (gain · tanh(X K + b) − Y)², by hand: no quadratic, and targets out of reach."""
    hidden = np.tanh(INPUTS @ params["kernel"] + params["bias"])
    error = 2 * (params["gain"] * hidden - TARGETS) / TARGETS.size
    inner = params["gain"] * error * (1 - hidden**2)
    return {"bias": inner.sum(0), "gain": np.asarray(np.sum(error * hidden)), "kernel": INPUTS.T @ inner}


def trajectory_in_torch(name: str, arguments: dict[str, Any]) -> list[dict[str, np.ndarray]]:
    params = {leaf: torch.tensor(value, requires_grad=True) for leaf, value in START.items()}
    optimizer = getattr(torch.optim, name)(list(params.values()), **arguments)
    path = []
    for _ in range(STEPS):
        now = {leaf: param.detach().numpy().copy() for leaf, param in params.items()}
        for leaf, value in gradient(now).items():
            params[leaf].grad = torch.tensor(value)
        optimizer.step()
        path.append({leaf: param.detach().numpy().copy() for leaf, param in params.items()})
    return path


@jax.jit
def advance(tx: gx.GradientTransformation, grads: Any, state: Any, params: Any) -> tuple[Any, Any]:
    updates, state = tx.update(grads, state, params)
    return gx.apply_updates(params, updates), state


def trajectory_in_gradtx(tx: gx.GradientTransformation) -> list[dict[str, np.ndarray]]:
    params, state, path = START, tx.init(START), []
    for _ in range(STEPS):
        params, state = advance(tx, gradient(params), state, params)
        params = jax.tree.map(np.asarray, params)
        path.append(params)
    return path


def distance(path: list[dict[str, np.ndarray]], reference: list[dict[str, np.ndarray]]) -> float:
    """The largest difference in any leaf at any step, relative to how far the reference moves that leaf."""

    def of_leaf(leaf: str) -> float:
        ours, theirs = np.stack([point[leaf] for point in path]), np.stack([point[leaf] for point in reference])
        return float(np.max(np.abs(ours - theirs)) / np.max(np.abs(theirs - START[leaf])))

    return max(map(of_leaf, START))


def row_name(row: Any) -> str:
    name, arguments, _ = row
    return f"{name}({', '.join(f'{key}={value}' for key, value in arguments.items() if key not in ('lr', 'betas', 'eps'))})"


@pytest.mark.parametrize("row", TABLE, ids=row_name)
def test_trajectory_is_pytorchs(row: tuple[str, dict[str, Any], gx.GradientTransformation]) -> None:
    name, arguments, tx = row
    assert distance(trajectory_in_gradtx(tx), trajectory_in_torch(name, arguments)) < 1e-10


def test_every_argument_of_a_row_matters() -> None:
    """The control: no two rows of PyTorch's follow the same path, so no argument above was without effect."""
    paths = [trajectory_in_torch(name, arguments) for name, arguments, _ in TABLE]
    for k, path in enumerate(paths):
        assert min(distance(path, other) for j, other in enumerate(paths) if j != k) > 1e-6, row_name(TABLE[k])


def default(factory: Callable[..., Any], argument: str) -> Any:
    return inspect.signature(factory).parameters[argument].default


@pytest.mark.parametrize(("name", "theirs", "factory", "ours", "their_value", "our_value"), DIFFERENT_DEFAULTS)
def test_defaults_that_differ(name: str, theirs: str, factory: Callable[..., Any], ours: str, their_value: Any, our_value: Any) -> None:
    assert default(getattr(torch.optim, name), theirs) == their_value
    assert default(factory, ours) == our_value


@pytest.mark.parametrize(("name", "theirs", "factory", "ours"), SAME_DEFAULTS)
def test_defaults_that_agree(name: str, theirs: str, factory: Callable[..., Any], ours: str) -> None:
    assert default(getattr(torch.optim, name), theirs) == default(factory, ours)


@pytest.mark.parametrize("name", ["Adam", "AdamW", "NAdam", "RAdam", "Adamax"])
def test_default_decays_agree(name: str) -> None:
    factory = getattr(gx, name.lower())
    assert default(getattr(torch.optim, name), "betas") == (default(factory, "b1"), default(factory, "b2"))
