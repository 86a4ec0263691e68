"""Projections keep weights in their set, are the nearest points of it, and lead to the best point of it."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.optimize

import gradtx as gx

RNG = np.random.default_rng(5)
POINTS = [RNG.normal(size=7) * size for size in (0.01, 0.3, 1.0, 30.0)]
SETS = {
    "simplex": (gx.projection_simplex, optax.projections.projection_simplex),
    "l1_ball": (gx.projection_l1_ball, optax.projections.projection_l1_ball),
    "l2_ball": (gx.projection_l2_ball, optax.projections.projection_l2_ball),
}
STEP = 1e-6
every_set = pytest.mark.parametrize("name", SETS)


def arrived(tx: gx.GradientTransformation, point: Any, start: Any = None) -> Any:
    """Where a step to `point` leads."""
    point = jax.tree.map(jnp.asarray, point)
    start = jax.tree.map(jnp.zeros_like, point) if start is None else start
    updates, _ = tx.update(jax.tree.map(jnp.subtract, point, start), tx.init(start), start)
    return gx.apply_updates(start, updates)


def nearest_of_simplex(x: np.ndarray, total: float) -> np.ndarray:
    """By bisection for the threshold."""
    low, high = np.min(x) - total, np.max(x)
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if np.sum(np.maximum(x - middle, 0)) > total else (low, middle)
    return np.maximum(x - high, 0)


@pytest.mark.parametrize("point", POINTS, ids=range(4))
@pytest.mark.parametrize("scale", [0.5, 1.0, 20.0])
def test_a_simplex_has_no_nearer_point(point: np.ndarray, scale: float) -> None:
    with jax.enable_x64(True):
        np.testing.assert_allclose(arrived(gx.projection_simplex(scale), point), nearest_of_simplex(point, scale), atol=1e-12)
        inside = np.sum(np.abs(point)) <= scale
        expected = point if inside else np.sign(point) * nearest_of_simplex(np.abs(point), scale)
        np.testing.assert_allclose(arrived(gx.projection_l1_ball(scale), point), expected, atol=1e-12)


@every_set
@pytest.mark.parametrize("point", POINTS, ids=range(4))
def test_it_is_optaxs_on_one_leaf(name: str, point: np.ndarray) -> None:
    ours, theirs = SETS[name]
    with jax.enable_x64(True):
        np.testing.assert_allclose(arrived(ours(0.7), point), theirs(jnp.asarray(point), 0.7), atol=1e-12)


@every_set
def test_slices_along_an_axis_are_leaves_of_their_own(name: str) -> None:
    make, _ = SETS[name]
    matrix = jnp.asarray(RNG.normal(size=(5, 4)) * np.array([0.01, 0.1, 1.0, 5.0, 50.0])[:, None], jnp.float32)
    rows = arrived(make(0.8, -1), matrix)
    for k in range(5):
        np.testing.assert_allclose(rows[k], arrived(make(0.8), matrix[k]), atol=1e-6)
    np.testing.assert_allclose(arrived(make(0.8, 0), matrix.T), rows.T, atol=1e-6)
    assert not np.allclose(arrived(make(0.8), matrix), rows)


@every_set
def test_where_an_axis_is_missing_the_leaf_is_named(name: str) -> None:
    tx = SETS[name][0](1.0, 1)
    params = {"w": jnp.ones((2, 3)), "b": jnp.ones(3)}
    with pytest.raises(ValueError, match=rf"projection_{name}: the leaf at b has shape \(3,\) and no axis 1\. .*masked\(where"):
        tx.update(params, tx.init(params), params)
    assert arrived(gx.masked("w", tx), params)["b"].tolist() == [1.0, 1.0, 1.0]


def test_numbers_that_are_far_out_come_in() -> None:
    huge = jnp.array([3e38, -3e38, 0.0])
    np.testing.assert_allclose(arrived(gx.projection_simplex(), huge), [1.0, 0.0, 0.0])
    np.testing.assert_allclose(arrived(gx.projection_l1_ball(), huge), [0.5, -0.5, 0.0])
    np.testing.assert_allclose(arrived(gx.projection_l2_ball(), huge), [0.5**0.5, -(0.5**0.5), 0.0], rtol=1e-6)
    tiny = jnp.array([3e-30, -4e-30, 0.0])
    np.testing.assert_allclose(arrived(gx.projection_l2_ball(1e-30), tiny), 1e-30 * np.array([0.6, -0.8, 0.0]), rtol=1e-5)


def test_a_box_and_the_orthant() -> None:
    point = {"a": jnp.array([-2.0, 0.3, 4.0]), "b": jnp.float32(-1.0)}
    start = {"a": jnp.array([0.1, 0.2, 0.9]), "b": jnp.float32(0.7)}
    inside = arrived(gx.projection_box(0.0, 1.0), point, start)
    np.testing.assert_allclose([*inside["a"], inside["b"]], [0.0, 0.3, 1.0, 0.0], atol=1e-7)
    positive = arrived(gx.projection_non_negative(), point, start)
    assert [*positive["a"].tolist(), float(positive["b"])] == [0.0, pytest.approx(0.3), 4.0, 0.0]
    with pytest.raises(ValueError, match=r"projection_box: lower=2\.0 is above upper=1\.0"):
        gx.projection_box(2.0, 1.0)


def test_descent_arrives_at_the_best_point_of_the_orthant() -> None:
    """Non-negative least squares, by SciPy's active sets."""
    matrix, target = RNG.normal(size=(9, 5)), RNG.normal(size=9)
    best, _ = scipy.optimize.nnls(matrix, target)
    assert 0 < np.sum(best == 0) < 5
    tx = gx.chain(gx.sgd(0.5 / np.linalg.norm(matrix, 2) ** 2), gx.projection_non_negative())

    def step(carry: Any, _: None) -> Any:
        x, state = carry
        updates, state = tx.update(jax.grad(lambda x: jnp.sum((matrix @ x - target) ** 2))(x), state, x)
        return (gx.apply_updates(x, updates), state), None

    with jax.enable_x64(True):
        x = jnp.ones(5)
        found = np.asarray(jax.lax.scan(step, (x, tx.init(x)), length=3000)[0][0])
    np.testing.assert_allclose(found, best, atol=1e-9)
    assert np.all(found >= 0)


@every_set
def test_derivatives_are_those_of_the_projection(name: str) -> None:
    point = jnp.array([0.9, -0.4, 0.3, 1.4])
    with jax.enable_x64(True):
        point = point.astype(float)
        weights = jnp.array([1.0, -2.0, 3.0, 0.5])

        def measured(scale: Any, point: Any) -> Any:
            return weights @ arrived(SETS[name][0](scale), point)

        found = jax.grad(measured, argnums=(0, 1))(0.8, point)
        of_scale = measured(0.8 + STEP, point) - measured(0.8 - STEP, point)
        of_point = [measured(0.8, point + side) - measured(0.8, point - side) for side in STEP * jnp.eye(4)]
    np.testing.assert_allclose(np.append(*found), np.array([of_scale, *of_point]) / (2 * STEP), atol=1e-7)


def test_it_stands_behind_the_learning_rate() -> None:
    with pytest.raises(ValueError, match="Put it behind"):
        gx.chain(gx.projection_non_negative(), gx.sgd(0.1))
