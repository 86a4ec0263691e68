"""Optax: the same trajectories where the two agree, its parts in our chains and ours in its."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import gradtx as gx
from gradtx import (
    add_decayed_weights,
    bias_correction,
    centered_rmsprop,
    chain,
    ema,
    nesterov,
    running_max,
    scale_by_learning_rate,
    scale_by_momentum,
    scale_by_rms,
    trace,
)
from tests import dialects
from tests.dialects import TINY

STEPS = 50
B1, B2, EPS = 0.8, 0.97, 1e-3


# Optax's optimizer and the same in gradtx. Defaults stand where both have the same one.
TABLE: dict[str, tuple[Any, gx.GradientTransformation]] = {
    "sgd": (optax.sgd(0.1), gx.sgd(0.1)),
    "sgd momentum": (optax.sgd(0.1, 0.8), gx.sgd(0.1, trace(0.8))),
    "sgd nesterov": (optax.sgd(0.1, 0.8, nesterov=True), gx.sgd(0.1, nesterov(trace(0.8)))),
    "sign_sgd": (optax.sign_sgd(0.1), gx.signum(0.1, decay=0.0)),
    "signum": (optax.chain(optax.ema(0.9, debias=False), optax.sign_sgd(0.1)), gx.signum(0.1)),
    "lion": (optax.lion(0.1, weight_decay=0.2), gx.lion(0.1, weight_decay=0.2)),
    # Optax starts the sum at 0.1.
    "adagrad": (optax.adagrad(0.1), dialects.rooted_adagrad(0.1, 0.1, 1e-7)),
    # Optax's epsilon is inside the root unless told otherwise.
    "rmsprop": (optax.rmsprop(0.1), dialects.rooted_rmsprop(0.1, 0.9, 1e-8)),
    "rmsprop eps outside": (optax.rmsprop(0.1, eps_in_sqrt=False), gx.rmsprop(0.1)),
    "rmsprop momentum": (optax.rmsprop(0.1, eps_in_sqrt=False, momentum=0.8), gx.rmsprop(0.1, momentum=trace(0.8))),
    "rmsprop centered": (optax.rmsprop(0.1, 0.95, 1e-4, centered=True), centered_rmsprop(0.1)),
    "adam": (optax.adam(0.1), gx.adam(0.1)),
    "adam eps_root": (
        optax.adam(0.1, B1, B2, EPS, eps_root=0.1),
        chain(
            scale_by_momentum(bias_correction(ema(B1))),
            scale_by_rms(bias_correction(ema(B2)), EPS, eps_root=0.1),
            scale_by_learning_rate(0.1),
        ),
    ),
    "adamw": (optax.adamw(0.1, weight_decay=0.2), gx.adamw(0.1, weight_decay=0.2)),
    "amsgrad": (optax.amsgrad(0.1, B1, B2, EPS), dialects.optax_amsgrad(0.1, B1, B2, EPS)),
    "amsgrad uncorrected": (
        optax.amsgrad(0.1, B1, B2, EPS, bias_correction_mu=False, bias_correction_nu=False),
        chain(scale_by_momentum(ema(B1)), scale_by_rms(running_max(ema(B2)), EPS), scale_by_learning_rate(0.1)),
    ),
    "nadam": (optax.nadam(0.1, B1, B2, EPS), dialects.optax_nadam(0.1, B1, B2, EPS)),
    "adamax": (optax.adamax(0.1), gx.adamax(0.1)),
    "adabelief": (optax.adabelief(0.1), gx.adabelief(0.1)),
    # Epsilon beside the corrected root there, beside the uncorrected one here: equal where it is too small to matter.
    "radam": (optax.radam(0.1, B1, B2, TINY), gx.radam(0.1, B1, B2, TINY)),
    "radam eps": (optax.radam(0.1, B1, B2, 0.1), dialects.optax_radam(0.1, B1, B2, 0.1)),
    "yogi": (optax.yogi(0.1, B1, B2, EPS), dialects.optax_yogi(0.1, B1, B2, EPS)),
}

# What is called the same and differs, with gradtx's and Optax's settings as equal as they can be.
DIFFERENT: dict[str, tuple[Any, gx.GradientTransformation]] = {
    "adagrad defaults": (optax.adagrad(0.1), gx.adagrad(0.1)),
    "rmsprop": (optax.rmsprop(0.1, 0.9, EPS), gx.rmsprop(0.1, 0.9, EPS)),
    "amsgrad": (optax.amsgrad(0.1, B1, B2, EPS), gx.amsgrad(0.1, B1, B2, EPS)),
    "nadam": (optax.nadam(0.1, B1, B2, EPS), gx.nadam(0.1, B1, B2, EPS)),
    "radam": (optax.radam(0.1, B1, B2, 0.1), gx.radam(0.1, B1, B2, 0.1)),
    "yogi": (optax.yogi(0.1, B1, B2, EPS), gx.yogi(0.1, B1, B2, EPS)),
    "lion defaults": (optax.lion(0.1), gx.lion(0.1)),
    "adamw defaults": (optax.adamw(0.1), gx.adamw(0.1)),
}


@pytest.fixture(autouse=True)
def double_precision() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


RNG = np.random.default_rng(0)
START = {"bias": RNG.normal(size=3), "kernel": RNG.normal(size=(4, 3))}
TARGET = {"bias": RNG.normal(size=3), "kernel": RNG.normal(size=(4, 3))}


def loss(params: Any) -> jax.Array:
    """Smooth and no quadratic. Cheap to compile, for there are many optimizers to run on it."""
    return sum(jnp.sum((params[k] - TARGET[k]) ** 2 / 2 + (params[k] - TARGET[k]) ** 4 / 4) for k in params)


def gradient(params: Any) -> Any:
    return jax.tree.map(lambda x, target: (x - target) + (x - target) ** 3, params, TARGET)


def start() -> dict[str, jax.Array]:
    return jax.tree.map(jnp.asarray, START)


@functools.cache
def train(tx: Any, value_fn: Any = None, **extras: Any) -> Any:
    """The parameters after every step. It asks of `tx` what any Optax loop asks: `init` and `update`."""
    extras = extras if value_fn is None else {"value_fn": value_fn, **extras}

    @jax.jit
    def run(params: Any) -> Any:
        def step(carry: Any, _: None) -> Any:
            params, state = carry
            updates, state = tx.update(gradient(params), state, params, **extras)
            params = optax.apply_updates(params, updates)
            return (params, state), params

        return jax.lax.scan(step, (params, tx.init(params)), None, length=STEPS)[1]

    return jax.tree.map(np.asarray, run(start()))


def distance(path: Any, reference: Any) -> float:
    """The largest difference in any leaf at any step, relative to how far the reference moves that leaf."""
    return max(np.max(np.abs(path[k] - reference[k])) / np.max(np.abs(reference[k] - START[k])) for k in reference)


@pytest.mark.parametrize("name", TABLE)
def test_trajectory_is_optaxs(name: str) -> None:
    theirs, ours = TABLE[name]
    assert distance(train(ours), train(theirs)) < 1e-10


@pytest.mark.parametrize("name", DIFFERENT)
def test_known_differences(name: str) -> None:
    theirs, ours = DIFFERENT[name]
    assert distance(train(ours), train(theirs)) > 1e-5


def test_yogi_differs_in_the_corrections_only() -> None:
    """Optax corrects both of Yogi's moments and starts both at 1e-6; the paper corrects neither. The second moment is the same."""
    theirs, ours = DIFFERENT["yogi"]
    gradients = jax.tree.map(lambda x: jnp.asarray(RNG.normal(size=(STEPS, *x.shape))), START)

    def run(tx: Any) -> Any:
        return jax.jit(lambda: jax.lax.scan(lambda state, g: (tx.update(g, state, start())[1], None), tx.init(start()), gradients)[0])()

    second = run(ours)["yogi"]["scale_by_rms"]["yogi_average"]["average"]
    for k, v in run(theirs)[0].nu.items():
        np.testing.assert_allclose(second[k], v, rtol=1e-12)


PARTS: dict[str, tuple[Any, gx.GradientTransformation]] = {
    "clip": (optax.clip(0.3), gx.clip(0.3)),
    "clip_by_global_norm": (optax.clip_by_global_norm(0.3), gx.clip_by_global_norm(0.3)),
    "clip_by_global_norm, not reached": (optax.clip_by_global_norm(1e6), gx.clip_by_global_norm(1e6)),
    "clip_by_block_rms": (optax.clip_by_block_rms(0.3), gx.clip_by_block_rms(0.3)),
    "centralize": (optax.centralize(), gx.centralize(output_axis=0)),
    "add_decayed_weights": (optax.add_decayed_weights(0.3), gx.add_decayed_weights(0.3)),
    "scale": (optax.scale(0.3), gx.scale(0.3)),
    "trace": (optax.trace(0.9), trace(0.9)),
    "trace, nesterov": (optax.trace(0.9, nesterov=True), nesterov(trace(0.9))),
    "ema": (optax.ema(0.9), bias_correction(ema(0.9))),
    "scale_by_schedule": (optax.scale_by_schedule(gx.linear_schedule(1.0, 0.1, 20)), gx.scale(gx.linear_schedule(1.0, 0.1, 20))),
    "zero_nans": (optax.zero_nans(), gx.zero_nonfinite()),
}


@pytest.mark.parametrize("name", PARTS)
def test_part_is_optaxs(name: str) -> None:
    theirs, ours = PARTS[name]
    assert distance(train(chain(ours, gx.sgd(0.1))), train(optax.chain(theirs, optax.sgd(0.1)))) < 1e-12


MIXED = {
    "theirs in ours, stateless": chain(optax.clip_by_global_norm(0.5), gx.adam(0.1)),
    "theirs in ours, averaging": chain(gx.clip_by_global_norm(0.5), optax.scale_by_adam(), scale_by_learning_rate(0.1)),
    "theirs in ours, the whole optimizer": chain(gx.clip_by_global_norm(0.5), optax.adam(0.1)),
    "ours in theirs": optax.chain(optax.clip_by_global_norm(0.5), gx.adam(0.1)),
    "our chain in theirs": optax.chain(chain(gx.clip_by_global_norm(0.5), gx.adam(1.0)), optax.scale(0.1)),
    "our pair in theirs": optax.chain(gx.clip_by_global_norm(0.5).pair, gx.adam(0.1).pair),
    "theirs in ours in theirs": optax.chain(chain(optax.clip_by_global_norm(0.5)), gx.adam(0.1)),
    "our schedule in theirs": optax.chain(optax.clip_by_global_norm(0.5), optax.adam(gx.constant_schedule(0.1))),
}


@pytest.mark.parametrize("name", MIXED)
def test_parts_mix(name: str) -> None:
    reference = optax.chain(optax.clip_by_global_norm(0.5), optax.adam(0.1))
    assert distance(train(MIXED[name]), train(reference)) < 1e-10


def test_their_average_freezes_the_gradient() -> None:
    """A foreign part that holds floating-point state counts as averaging: what follows measures the gradient before it."""
    theirs = chain(optax.trace(0.9), scale_by_rms(ema(0.9), 1e-3), scale_by_learning_rate(0.1))
    ours = chain(scale_by_momentum(trace(0.9)), scale_by_rms(ema(0.9), 1e-3), scale_by_learning_rate(0.1))
    averaged = chain(scale_by_momentum(trace(0.9)), scale_by_rms(ema(0.9), 1e-3, of="updates"), scale_by_learning_rate(0.1))
    assert distance(train(theirs), train(ours)) < 1e-12
    assert distance(train(theirs), train(averaged)) > 0.1


def test_their_stateless_parts_rewrite_the_gradient() -> None:
    """A foreign part without floating-point state is a preprocessing step: what follows measures the gradient behind it."""
    second_part = (scale_by_rms(ema(0.9), 1e-3), scale_by_learning_rate(0.1))
    theirs = chain(optax.scale(100.0), optax.add_decayed_weights(0.5), *second_part)
    ours = chain(gx.scale(100.0), add_decayed_weights(0.5), gx.rmsprop(0.1, eps=1e-3))
    assert distance(train(theirs), train(ours)) < 1e-12


def test_extras_reach_our_parts_in_their_chain() -> None:
    search = gx.random_search(0.1, 0)
    carried = optax.chain(optax.GradientTransformationExtraArgs(*search), optax.scale(1.0))
    path = train(carried, loss)
    assert distance(path, train(search, loss)) == 0
    assert loss(jax.tree.map(lambda x: x[-1], path)) < 0.9 * loss(start())


def test_extras_reach_their_parts_in_our_chain() -> None:
    def update(updates: Any, state: Any, params: Any = None, *, factor: float, **extras: Any) -> Any:
        return jax.tree.map(lambda u: factor * u, updates), state

    theirs = optax.GradientTransformationExtraArgs(lambda params: optax.EmptyState(), update)
    assert distance(train(chain(theirs, gx.sgd(0.1)), factor=0.5), train(gx.sgd(0.05))) < 1e-12


SCHEDULES: dict[str, tuple[Callable[[Any], Any], gx.Schedule]] = {
    "constant": (optax.constant_schedule(0.3), gx.constant_schedule(0.3)),
    "linear": (optax.linear_schedule(0.3, 0.1, 40, 7), gx.linear_schedule(0.3, 0.1, 40, 7)),
    "polynomial": (optax.polynomial_schedule(0.3, 0.1, 2.5, 40, 7), gx.polynomial_schedule(0.3, 0.1, 2.5, 40, 7)),
    "cosine_decay": (optax.cosine_decay_schedule(0.3, 40, 0.1), gx.cosine_decay_schedule(0.3, 40, 0.1)),
    "warmup_cosine_decay": (
        optax.warmup_cosine_decay_schedule(0.05, 0.3, 10, 60, 0.01),
        gx.warmup_cosine_decay_schedule(0.05, 0.3, 10, 60, 0.01),
    ),
    "exponential_decay": (optax.exponential_decay(0.3, 10, 0.7, 7), gx.exponential_decay(0.3, 10, 0.7, 7)),
    "staircase": (optax.exponential_decay(0.3, 10, 0.7, staircase=True), gx.staircase_decay(0.3, 10, 0.7)),
    "cosine_onecycle": (optax.cosine_onecycle_schedule(100, 0.3), gx.cosine_onecycle_schedule(100, 0.3)),
    "linear_onecycle": (optax.linear_onecycle_schedule(100, 0.3), gx.linear_onecycle_schedule(100, 0.3)),
    # Optax multiplies by a factor at each boundary, gradtx names the values.
    "piecewise_constant": (
        optax.piecewise_constant_schedule(0.3, {10: 0.5, 30: 0.1}),
        gx.piecewise_constant_schedule((0.3, 0.15, 0.015), (10, 30)),
    ),
    "join": (
        optax.join_schedules([optax.linear_schedule(0.0, 0.3, 10), optax.cosine_decay_schedule(0.3, 40)], [10]),
        gx.join_schedules((gx.linear_schedule(0.0, 0.3, 10), gx.cosine_decay_schedule(0.3, 40)), (10,)),
    ),
    "sgdr": (
        optax.sgdr_schedule(
            [{"init_value": 0.3, "peak_value": 0.3, "decay_steps": steps, "warmup_steps": 0, "end_value": 0.01} for steps in (16, 32, 64)]
        ),
        gx.sgdr_schedule(0.3, 16, 2.0, 0.01),
    ),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule_is_optaxs(name: str) -> None:
    theirs, ours = SCHEDULES[name]
    steps = jnp.arange(112)
    np.testing.assert_allclose(jax.vmap(ours)(steps), jax.vmap(theirs)(steps), rtol=1e-12, atol=1e-15)
