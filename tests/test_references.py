"""Every method against its paper: float64 trajectories, written independently in `tests/references`."""

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradtx as gx
from tests.references import adam, adaptive, momentum, newton

STEPS = 60
TINY = 1e-300
"""An epsilon that changes no float64 here, for papers that have none."""


class Case(NamedTuple):
    """An optimizer and the recurrence it should follow: the reference and its numbers."""

    optimizer: gx.GradientTransformation
    reference: Callable[..., Iterator[Any]]
    numbers: dict[str, float]


def paper_amsgrad(alpha: float, b1: float, b2: float) -> gx.GradientTransformation:
    return gx.chain(
        gx.scale_by_momentum(gx.ema(b1)),
        gx.scale_by_rms(gx.running_max(gx.ema(b2)), TINY),
        gx.scale_by_learning_rate(alpha),
    )


def paper_nadam(alpha: float, mu: float, nu: float, eps: float, psi: float) -> gx.GradientTransformation:
    """Dozat's averaging with μₜ; the ν in his n̂ moves into the numbers: α / (√(ν n̂) + ε) = (α / √ν) / (√n̂ + ε / √ν)."""
    now = gx.nadam_momentum_schedule(mu, psi)
    return gx.chain(
        gx.scale_by_momentum(gx.dozat_average(now, now, gx.shifted_schedule(now, 1))),
        gx.scale_by_rms(gx.bias_correction(gx.ema(nu)), eps / nu**0.5),
        gx.scale_by_learning_rate(alpha / nu**0.5),
    )


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
}


@pytest.fixture(autouse=True)
def double_precision() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def draws() -> tuple[dict[str, Any], dict[str, Any]]:
    """A start and the gradients of all steps. Sizes differ by leaf and element, and one gradient in ten is a burst."""
    rng = np.random.default_rng(0)
    shapes = {"matrix": (3, 4), "vector": (5,), "scalar": ()}
    start = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    gradients = {}
    for name, shape in shapes.items():
        size = 10.0 ** rng.uniform(-2, 1, size=shape)
        burst = np.where(rng.uniform(size=(STEPS, *shape)) < 0.1, 10, 1)
        gradients[name] = size * burst * (0.3 + rng.normal(size=(STEPS, *shape)))
    return start, gradients


@jax.jit
def run(tx: gx.GradientTransformation, params: Any, gradients: Any) -> Any:
    def step(carry: Any, gradient: Any) -> Any:
        params, state = carry
        updates, state = tx.update(gradient, state, params)
        params = gx.apply_updates(params, updates)
        return (params, state), params

    return jax.lax.scan(step, (params, tx.init(params)), gradients)[1]


@functools.cache
def trajectory(name: str) -> dict[str, np.ndarray]:
    return jax.tree.map(np.asarray, run(CASES[name].optimizer, *draws()))


@functools.cache
def reference_trajectory(name: str) -> dict[str, np.ndarray]:
    start, gradients = draws()
    case = CASES[name]
    return {leaf: np.stack(list(case.reference(start[leaf], gradients[leaf], **case.numbers))) for leaf in start}


def distance(path: dict[str, np.ndarray], reference: dict[str, np.ndarray]) -> float:
    """The largest difference in any leaf at any step, relative to how far the reference moves that leaf.

    Relative to the movement and not to the position, so that a start far from zero hides nothing.
    """
    start, _ = draws()
    errors = {leaf: np.max(np.abs(path[leaf] - reference[leaf])) / np.max(np.abs(reference[leaf] - start[leaf])) for leaf in start}
    return max(errors.values())


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
    start, gradients = draws()
    published = np.stack(list(adam.radam(start["matrix"], gradients["matrix"], alpha=0.1, tractable=4.0)))
    theirs = np.diff(published, axis=0, prepend=start["matrix"][None])
    ours = np.diff(trajectory("radam defaults")["matrix"], axis=0, prepend=start["matrix"][None])
    differing = np.flatnonzero(np.max(np.abs(ours - theirs), axis=(1, 2)) > 1e-9 * np.max(np.abs(theirs)))
    assert differing.tolist() == [4]


A = np.random.default_rng(1).normal(size=(12, 5))
B = np.random.default_rng(2).normal(size=12)


def log_cosh(x: jax.Array) -> jax.Array:
    """A smooth convex loss that is no quadratic."""
    residual = A @ x - B
    return jnp.sum(jnp.logaddexp(residual, -residual)) + 0.05 * jnp.sum(x**2)


def log_cosh_gradient(x: np.ndarray) -> np.ndarray:
    return A.T @ np.tanh(A @ x - B) + 0.1 * x


def log_cosh_hessian(x: np.ndarray) -> np.ndarray:
    return A.T @ np.diag(1 / np.cosh(A @ x - B) ** 2) @ A + 0.1 * np.eye(x.size)


@jax.jit
def run_with_loss(tx: gx.GradientTransformation, x: jax.Array) -> jax.Array:
    def step(carry: Any, _: None) -> Any:
        x, state = carry
        updates, state = tx.update(jax.grad(log_cosh)(x), state, x, value_fn=log_cosh)
        x = gx.apply_updates(x, updates)
        return (x, state), x

    return jax.lax.scan(step, (x, tx.init(x)), None, length=STEPS)[1]


@pytest.mark.parametrize(
    "optimizer",
    [gx.newton(0.3, damping=0.2), gx.newton_cg(0.3, damping=0.2, iterations=10, tolerance=1e-13)],
    ids=["newton", "newton_cg"],
)
def test_newton_steps_are_a_dense_solve(optimizer: gx.GradientTransformation) -> None:
    start = np.full(5, 0.5)
    path = np.asarray(run_with_loss(optimizer, jnp.asarray(start)))
    reference = np.stack(list(newton.newton(start, log_cosh_gradient, log_cosh_hessian, STEPS, eta=0.3, damping=0.2)))
    assert np.max(np.abs(path - reference)) < 1e-9 * np.max(np.abs(reference - start))
