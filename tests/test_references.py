"""Every method against its paper: float64 trajectories, written independently in `tests/references`."""

import functools
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest

import gradtx as gx
from tests import references
from tests.dialects import TINY, paper_amsgrad, paper_nadam
from tests.paths import drawn, in_gradtx, on_bowl
from tests.references import adam, adaptive, bowl, layerwise, momentum, newton, search
from tests.references.problem import STEPS, Path, distance, draws, follow


class Case(NamedTuple):
    """An optimizer and the recurrence it should follow: the reference and its numbers."""

    optimizer: gx.GradientTransformation
    reference: Callable[..., Iterator[Any]]
    numbers: dict[str, float]


CASES = {
    "sgd": Case(gx.sgd(0.1), momentum.gradient_descent, {"alpha": 0.1}),
    "sgd, trace": Case(gx.sgd(0.1, gx.trace(0.8)), momentum.heavy_ball, {"alpha": 0.1, "beta": 0.8}),
    "sgd, ema": Case(gx.sgd(0.1, gx.ema(0.8)), momentum.averaged_gradient, {"alpha": 0.1, "beta": 0.8}),
    "sgd, nesterov trace": Case(gx.sgd(0.1, gx.nesterov(gx.trace(0.8))), momentum.nesterov, {"epsilon": 0.1, "mu": 0.8}),
    "sgd, nesterov ema": Case(gx.sgd(0.1, gx.nesterov(gx.ema(0.8))), momentum.averaged_nesterov, {"alpha": 0.1, "beta": 0.8}),
    "signum": Case(gx.signum(0.1, 0.8), momentum.signum, {"delta": 0.1, "beta": 0.8}),
    "signum defaults": Case(gx.signum(0.1), momentum.signum, {"delta": 0.1, "beta": 0.9}),
    "lion": Case(gx.lion(0.1, 0.8, 0.95, 0.2), momentum.lion, {"eta": 0.1, "beta1": 0.8, "beta2": 0.95, "lamda": 0.2}),
    "lion defaults": Case(gx.lion(0.1), momentum.lion, {"eta": 0.1, "beta1": 0.9, "beta2": 0.99, "lamda": 0.0}),
    "adagrad": Case(gx.adagrad(0.1, eps=0.3), adaptive.adagrad, {"eta": 0.1, "delta": 0.3}),
    "adagrad defaults": Case(gx.adagrad(0.1), adaptive.adagrad, {"eta": 0.1, "delta": 1e-10}),
    "rmsprop": Case(gx.rmsprop(0.1, 0.7, 0.3), adaptive.rmsprop, {"alpha": 0.1, "decay": 0.7, "eps": 0.3}),
    "rmsprop defaults": Case(gx.rmsprop(0.1), adaptive.rmsprop, {"alpha": 0.1, "eps": 1e-8}),
    "centered_rmsprop": Case(
        gx.centered_rmsprop(0.1, 0.8, 0.3, gx.trace(0.7)),
        adaptive.centered_rmsprop,
        {"gimel": 0.1, "aleph": 0.8, "beth": 0.7, "daleth": 0.3},
    ),
    "centered_rmsprop defaults": Case(gx.centered_rmsprop(0.1, momentum=gx.trace(0.9)), adaptive.centered_rmsprop, {"gimel": 0.1}),
    "adam": Case(gx.adam(0.1, 0.8, 0.95, 0.3), adam.adam, {"alpha": 0.1, "beta1": 0.8, "beta2": 0.95, "eps": 0.3}),
    "adam defaults": Case(gx.adam(0.1), adam.adam, {"alpha": 0.1}),
    "uncorrected_adam": Case(
        gx.uncorrected_adam(0.1, 0.8, 0.95, 0.3), adam.uncorrected_adam, {"alpha": 0.1, "beta1": 0.8, "beta2": 0.95, "eps": 0.3}
    ),
    "uncorrected_adam defaults": Case(gx.uncorrected_adam(0.1), adam.uncorrected_adam, {"alpha": 0.1}),
    # The paper's λ is not multiplied by the learning rate, gradtx's is: λ = η λ'.
    "adamw": Case(
        gx.adamw(0.1, 0.8, 0.95, 0.3, weight_decay=0.2),
        adam.adamw,
        {"alpha": 0.1, "lamda": 0.1 * 0.2, "beta1": 0.8, "beta2": 0.95, "eps": 0.3},
    ),
    "adamw defaults": Case(gx.adamw(0.1), adam.adamw, {"alpha": 0.1, "lamda": 0.1 * 0.01}),
    "nadam": Case(
        gx.nadam(0.1, 0.8, 0.95, 0.3, 0.1),
        adam.constant_average_nadam,
        {"alpha": 0.1, "mu": 0.8, "nu": 0.95, "eps": 0.3, "psi": 0.1},
    ),
    "nadam defaults": Case(gx.nadam(0.1), adam.constant_average_nadam, {"alpha": 0.1}),
    "nadam as published": Case(
        paper_nadam(0.1, 0.8, 0.95, 0.3, 0.1), adam.nadam, {"alpha": 0.1, "mu": 0.8, "nu": 0.95, "eps": 0.3, "psi": 0.1}
    ),
    "amsgrad": Case(gx.amsgrad(0.1, 0.8, 0.95, 0.3), adam.corrected_amsgrad, {"alpha": 0.1, "beta1": 0.8, "beta2": 0.95, "eps": 0.3}),
    "amsgrad defaults": Case(gx.amsgrad(0.1), adam.corrected_amsgrad, {"alpha": 0.1}),
    "amsgrad as published": Case(paper_amsgrad(0.1, 0.8, 0.95), adam.amsgrad, {"alpha": 0.1, "beta1": 0.8, "beta2": 0.95}),
    "adamax": Case(gx.adamax(0.1, 0.8, 0.95, TINY), adam.adamax, {"alpha": 0.1, "beta1": 0.8, "beta2": 0.95}),
    "adamax defaults": Case(gx.adamax(0.1, eps=TINY), adam.adamax, {"alpha": 0.1}),
    "adabelief": Case(gx.adabelief(0.1, 0.8, 0.95, 0.3, 0.3), adam.adabelief, {"alpha": 0.1, "beta1": 0.8, "beta2": 0.95, "eps": 0.3}),
    "adabelief defaults": Case(gx.adabelief(0.1), adam.adabelief, {"alpha": 0.1}),
    "yogi": Case(gx.yogi(0.1, 0.8, 0.95, 0.3, 0.7), adam.yogi, {"eta": 0.1, "beta1": 0.8, "beta2": 0.95, "eps": 0.3, "initial": 0.7}),
    "yogi defaults": Case(gx.yogi(0.1), adam.yogi, {"eta": 0.1}),
    # The authors' code rectifies from ρ = 5 on, the paper from 4: see test_radam_departs_from_its_paper_in_the_fifth_step.
    "radam": Case(gx.radam(0.1, 0.8, 0.95, TINY), adam.radam, {"alpha": 0.1, "beta1": 0.8, "beta2": 0.95, "tractable": 5.0}),
    "radam defaults": Case(gx.radam(0.1, eps=TINY), adam.radam, {"alpha": 0.1, "tractable": 5.0}),
    "laprop": Case(gx.laprop(0.1, 0.8, 0.95, 0.3), adam.laprop, {"lamda": 0.1, "mu": 0.8, "nu": 0.95, "eps": 0.3}),
    "laprop defaults": Case(gx.laprop(0.1), adam.laprop, {"lamda": 0.1}),
    "lars": Case(gx.lars(0.1, 0.2, 0.3, gx.trace(0.8)), layerwise.lars, {"gamma": 0.1, "eta": 0.2, "beta": 0.3, "m": 0.8}),
    "lars defaults": Case(gx.lars(0.1), layerwise.lars, {"gamma": 0.1}),
    "lamb": Case(gx.lamb(0.1, 0.8, 0.95, 0.3, 0.2), layerwise.lamb, {"eta": 0.1, "beta1": 0.8, "beta2": 0.95, "eps": 0.3, "lamda": 0.2}),
    "lamb defaults": Case(gx.lamb(0.1), layerwise.lamb, {"eta": 0.1}),
    "novograd": Case(
        gx.novograd(0.1, 0.8, 0.9, 0.3, 0.2), layerwise.novograd, {"lamda": 0.1, "beta1": 0.8, "beta2": 0.9, "eps": 0.3, "d": 0.2}
    ),
    "novograd defaults": Case(gx.novograd(0.1, eps=TINY), layerwise.novograd, {"lamda": 0.1}),
    "mars_adamw": Case(
        gx.mars_adamw(0.1, 0.8, 0.95, 0.3, 0.5, 0.2),
        layerwise.mars_adamw,
        {"eta": 0.1, "beta1": 0.8, "beta2": 0.95, "eps": 0.3, "gamma": 0.5, "lamda": 0.2},
    ),
    "mars_adamw defaults": Case(gx.mars_adamw(0.1), layerwise.mars_adamw, {"eta": 0.1}),
    "fromage": Case(gx.fromage(0.3), layerwise.fromage, {"eta": 0.3}),
    "fromage of the authors": Case(gx.fromage(0.01), layerwise.fromage, {"eta": 0.01}),
}


@functools.cache
def trajectory(name: str) -> Path:
    return in_gradtx(CASES[name].optimizer)


@functools.cache
def reference_trajectory(name: str) -> Path:
    return follow(CASES[name].reference, **CASES[name].numbers)


@pytest.mark.parametrize("name", CASES)
def test_trajectory_is_the_papers(name: str) -> None:
    path = trajectory(name)
    assert path["scalar"].dtype == np.float64
    assert distance(path, reference_trajectory(name)) < 1e-9


@pytest.mark.parametrize("name", CASES)
def test_no_other_reference_fits(name: str) -> None:
    """The control: the tolerance above tells every method here from every other, and from itself with other numbers."""
    nearest = min(CASES, key=lambda other: np.inf if other == name else distance(trajectory(name), reference_trajectory(other)))
    assert distance(trajectory(name), reference_trajectory(nearest)) > 1e-6, nearest


def test_radam_departs_from_its_paper_in_the_fifth_step() -> None:
    start, _ = draws()
    published = follow(adam.radam, alpha=0.1, tractable=4.0)["matrix"]
    theirs = np.diff(published, axis=0, prepend=start["matrix"][None])
    ours = np.diff(trajectory("radam defaults")["matrix"], axis=0, prepend=start["matrix"][None])
    differing = np.flatnonzero(np.max(np.abs(ours - theirs), axis=(1, 2)) > 1e-9 * np.max(np.abs(theirs)))
    assert differing.tolist() == [4]


@pytest.mark.parametrize(
    "optimizer",
    [gx.newton(0.3, damping=0.2), gx.newton_cg(0.3, damping=0.2, iterations=10, tolerance=1e-13)],
    ids=["newton", "newton_cg"],
)
def test_newton_steps_are_a_dense_solve(optimizer: gx.GradientTransformation) -> None:
    reference = np.stack(list(newton.newton(bowl.START, bowl.gradient, bowl.hessian, STEPS, eta=0.3, damping=0.2)))
    assert np.max(np.abs(on_bowl(optimizer) - reference)) < 1e-9 * np.max(np.abs(reference - bowl.START))


def test_random_search_keeps_the_draws_that_help() -> None:
    optimizer = gx.random_search(0.3, 0)
    reference = np.stack(list(search.random_search(bowl.START, drawn(optimizer), bowl.value)))
    kept = np.any(np.diff(reference, axis=0, prepend=bowl.START[None]) != 0, axis=1)
    assert 0 < kept.sum() < STEPS
    assert np.max(np.abs(on_bowl(optimizer) - reference)) < 1e-9 * np.max(np.abs(reference - bowl.START))


CITATION = re.compile(
    r"""[A-Z][^"]+ \d{4}, "[^"]+" \((arXiv \d{4}\.\d{4,5}|[A-Z][\w .]+)\), .*(algorithm|equations?|figure|section|slide) [\dA-Z]"""
)


def test_every_reference_cites_its_place() -> None:
    modules = [importlib.import_module(f"tests.references.{module.name}") for module in pkgutil.iter_modules(references.__path__)]
    found = [f for module in modules for _, f in inspect.getmembers(module, inspect.isgeneratorfunction)]
    assert {case.reference for case in CASES.values()} <= set(found)
    for reference in found:
        assert CITATION.match(inspect.getdoc(reference).splitlines()[0]), reference.__name__
