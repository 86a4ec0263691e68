"""Reduction on a plateau, against PyTorch's and Optax's on the same losses."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch

import gradtx as gx

LOSSES = np.round(np.random.default_rng(3).normal(size=80).cumsum() * 0.3 + np.linspace(20, 5, 80), 2).astype(np.float32)


def scales(tx: Any, losses: np.ndarray) -> list[float]:
    """What becomes of an update of 1 at each of these losses."""

    def step(state: Any, value: jax.Array) -> Any:
        update, state = tx.update(jnp.ones(()), state, value=value)
        return state, update

    return jax.jit(lambda: jax.lax.scan(step, tx.init(jnp.ones(())), jnp.asarray(losses))[1])().tolist()


@pytest.mark.parametrize("options", [{"rtol": 1e-2}, {"rtol": 0.0, "atol": 0.5}], ids=["relative", "absolute"])
def test_plateau_is_pytorchs_with_one_more_of_patience(options: dict[str, float]) -> None:
    mode, threshold = ("rel", options["rtol"]) if options["rtol"] else ("abs", options["atol"])
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.5, patience=2, threshold=threshold, threshold_mode=mode, cooldown=3, min_lr=0.1, eps=0.0
    )
    theirs = []
    for value in LOSSES:
        schedule.step(float(value))
        theirs.append(optimizer.param_groups[0]["lr"])
    ours = scales(gx.reduce_on_plateau(0.5, 3.0, cooldown=3.0, min_scale=0.1, **options), LOSSES)
    assert len(set(theirs)) > 3
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


@pytest.mark.parametrize("size", [1, 2])
def test_plateau_is_optaxs(size: int) -> None:
    theirs = optax.contrib.reduce_on_plateau(0.5, 2, 1e-2, 0.1, 3, size, 0.1)
    ours = gx.reduce_on_plateau(0.5, 2.0, 1e-2, 0.1, 3.0, size, 0.1)
    expected = scales(theirs, LOSSES)
    assert len(set(expected)) > 2
    np.testing.assert_allclose(scales(ours, LOSSES), expected, rtol=1e-6)


def test_plateau_scales_whatever_stands_before_it() -> None:
    tx, plain = gx.chain(gx.adam(0.1), gx.reduce_on_plateau(0.5, 1.0)), gx.adam(0.1)
    params = {"w": jnp.arange(3.0)}
    state, alone = tx.init(params), plain.init(params)
    for k in range(4):
        update, state = tx.update(params, state, params, value=1.0)
        expected, alone = plain.update(params, alone, params)
        np.testing.assert_allclose(update["w"], expected["w"] * 0.5**k, rtol=1e-6)


def test_a_nan_is_no_improvement_and_is_forgotten() -> None:
    losses = np.array([3.0, np.nan, 2.0, 1.0, np.nan, np.nan], np.float32)
    assert scales(gx.reduce_on_plateau(0.5, 2.0), losses) == [1.0, 1.0, 1.0, 1.0, 1.0, 0.5]


@pytest.mark.parametrize("tx", [gx.dog(), gx.dowg(), gx.prodigy()], ids=["dog", "dowg", "prodigy"])
def test_the_distance_is_that_of_all_leaves_and_no_group_sees_another_size(tx: gx.GradientTransformation) -> None:
    """One vector cut into two leaves takes the path of the whole."""
    whole = jnp.array([1.0, -2.0, 0.5, 3.0, -1.0])
    cut = {"a": whole[:2], "b": whole[2:]}
    states = tx.init(whole), tx.init(cut)
    for _ in range(20):
        moved, first = tx.update(2 * whole, states[0], whole)
        parts, second = tx.update(jax.tree.map(lambda x: 2 * x, cut), states[1], cut)
        states = first, second
        whole, cut = gx.apply_updates(whole, moved), gx.apply_updates(cut, parts)
    np.testing.assert_allclose(jnp.concatenate([cut["a"], cut["b"]]), whole, rtol=1e-5)


@pytest.mark.parametrize("tx", [gx.dog(), gx.dowg(), gx.prodigy()], ids=["dog", "dowg", "prodigy"])
def test_it_arrives_without_a_learning_rate(tx: gx.GradientTransformation) -> None:
    target = jnp.array([3.0, -1.0, 2.0])

    @jax.jit
    def run(x: jax.Array) -> jax.Array:
        def step(carry: Any, _: None) -> Any:
            x, state = carry
            update, state = tx.update(x - target, state, x)
            return (gx.apply_updates(x, update), state), None

        return jax.lax.scan(step, (x, tx.init(x)), None, length=1000)[0][0]

    assert jnp.linalg.norm(run(jnp.zeros(3)) - target) < 0.1 * jnp.linalg.norm(target)
