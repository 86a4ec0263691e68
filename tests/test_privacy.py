"""Gradients of examples are clipped one by one, what one example can do is bounded, and the noise has the size that is said."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import gradtx as gx

RNG = np.random.default_rng(0)
BATCH = {
    "w": (RNG.normal(size=(6, 4, 3)) * np.array([0.01, 0.1, 0.3, 1.0, 5.0, 100.0])[:, None, None]).astype("float32"),
    "s": (RNG.normal(size=6) * np.array([0.01, 0.1, 0.3, 1.0, 5.0, 100.0])).astype("float32"),
}


def by_hand(batch: Any, bound: float) -> Any:
    norms = np.sqrt(np.sum(batch["w"].astype(float) ** 2, axis=(1, 2)) + batch["s"].astype(float) ** 2)
    factors = np.minimum(1, bound / norms)
    return {"w": np.mean(factors[:, None, None] * batch["w"], axis=0), "s": np.mean(factors * batch["s"])}


@pytest.mark.parametrize("bound", [0.05, 1.0, 1e6])
def test_it_is_the_mean_of_clipped_gradients(bound: float) -> None:
    mean, expected = gx.per_example_clip_by_global_norm(BATCH, bound), by_hand(BATCH, bound)
    total, _ = optax.per_example_global_norm_clip(BATCH, bound)
    for name in BATCH:
        np.testing.assert_allclose(mean[name], expected[name], rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(mean[name], total[name] / 6, rtol=1e-5, atol=1e-7)


def test_one_example_moves_the_mean_by_two_bounds_over_the_batch_at_most() -> None:
    for seed in range(20):
        other = jax.tree.map(np.copy, BATCH)
        rng = np.random.default_rng(seed)
        for name in other:
            other[name][3] = 10.0 ** rng.uniform(-3, 3) * rng.normal(size=other[name][3].shape)
        means = gx.per_example_clip_by_global_norm(BATCH, 0.5), gx.per_example_clip_by_global_norm(other, 0.5)
        assert optax.tree.norm(jax.tree.map(jnp.subtract, *means)) <= 2 * 0.5 / 6 * (1 + 1e-5)


def test_each_leaf_by_itself_is_a_map_over_leaves() -> None:
    """As the page of Optax's names says of `per_example_layer_norm_clip`, at the bounds C / √K of two leaves."""
    total, _ = optax.per_example_layer_norm_clip(BATCH, 1.0)
    mean = jax.tree.map(lambda leaf: gx.per_example_clip_by_global_norm(leaf, 0.5**0.5), BATCH)
    for name in BATCH:
        np.testing.assert_allclose(mean[name], total[name] / 6, rtol=1e-5, atol=1e-7)


def test_kinds_of_numbers() -> None:
    huge = gx.per_example_clip_by_global_norm(np.full((2, 3), 1e30, "float32"), 1.0)
    np.testing.assert_allclose(huge, 3**-0.5, rtol=1e-5)
    assert not np.any(gx.per_example_clip_by_global_norm(np.zeros((2, 3), "float32"), 1.0))
    half = gx.per_example_clip_by_global_norm(jnp.full((2, 4), 300.0, jnp.float16), 1.0)
    assert half.dtype == jnp.float16
    np.testing.assert_allclose(half, 0.5, rtol=1e-3)
    np.testing.assert_allclose(gx.per_example_clip_by_global_norm(jnp.array([3 + 4j, 0.1j]), 1.0), (0.6 + 0.8j + 0.1j) / 2, rtol=1e-6)
    mixed = jax.vmap(jax.grad(lambda p, x: p["w"] * x, allow_int=True), (None, 0))({"w": 2.0, "n": 3}, jnp.arange(1.0, 4.0))
    clipped = gx.per_example_clip_by_global_norm(mixed, 2.0)
    assert clipped["w"] == pytest.approx(5 / 3)
    assert clipped["n"].dtype == jax.dtypes.float0
    assert clipped["n"].shape == ()


def test_what_is_refused() -> None:
    for batch, words in (
        ({"a": np.ones((2, 3)), "b": np.ones((3, 3))}, r"the leaf at b has shape \(3, 3\), where the first axis should be .* 2, in all"),
        ({"a": np.ones((2, 3)), "b": np.float32(1.0)}, r"the leaf at b has shape \(\)"),
        ({"a": np.ones((0, 3))}, r"the leaf at a has shape \(0, 3\)"),
    ):
        with pytest.raises(ValueError, match=words):
            gx.per_example_clip_by_global_norm(batch, 1.0)
    with pytest.raises(ValueError, match=r"max_norm must be .* got 0\.0"):
        gx.per_example_clip_by_global_norm(BATCH, 0.0)
    with pytest.raises(ValueError, match=r"max_norm is an array of shape \(6,\) .* must be a scalar"):
        gx.per_example_clip_by_global_norm(BATCH, jnp.ones(6))
    with pytest.raises(TypeError, match=r"max_norm must be a number, got linear_schedule.*hyperparameters\(tx, state\)"):
        gx.per_example_clip_by_global_norm(BATCH, gx.linear_schedule(1.0, 0.5, 10))


def test_the_noise_has_the_size_that_is_said_and_no_draw_is_used_twice() -> None:
    tx = gx.add_private_noise(3.0, 0.5, 8.0, 1)
    params = {"a": jnp.zeros((100, 100)), "b": jnp.zeros((100, 100))}
    state, seen = tx.init(params), []
    for _ in range(2):
        noise, state = tx.update(params, state)
        seen += [np.ravel(leaf) for leaf in noise.values()]
    for k, draw in enumerate(seen):
        assert np.std(draw) == pytest.approx(3.0 * 0.5 / 8.0, rel=0.03)
        assert abs(np.mean(draw)) < 4 * 3.0 * 0.5 / 8.0 / 100
        assert all(abs(np.corrcoef(draw, other)[0, 1]) < 0.05 for other in seen[:k])


def test_without_noise_it_is_descent() -> None:
    gradient = gx.per_example_clip_by_global_norm(BATCH, 1.0)
    tx, plain = gx.dpsgd(0.1, 1.0, 0.0, 6, 0, gx.trace(0.9)), gx.sgd(0.1, gx.trace(0.9))
    state, alone = tx.init(gradient), plain.init(gradient)
    for _ in range(3):
        update, state = tx.update(gradient, state)
        expected, alone = plain.update(gradient, alone)
        jax.tree.map(np.testing.assert_array_equal, update, expected)
