"""Controllers: reduction on a plateau is PyTorch's and Optax's; what distances and scales promise is so on problems that are known."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch

import gradtx as gx
from tests.references import controllers

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


TARGET = np.array([3.0, -1.0, 2.0, 0.5])
CURVATURE = np.array([1.0, 0.3, 3.0, 10.0])


def quadratic(x: jax.Array) -> jax.Array:
    """Half a weighted squared distance to the target: its least value is 0."""
    return jnp.sum(CURVATURE * (x - TARGET) ** 2) / 2


def sizes(x: jax.Array) -> jax.Array:
    return jnp.sum(CURVATURE * jnp.abs(x - TARGET))


def run(tx: gx.GradientTransformation, loss: Any, steps: int, gradient_scale: float = 1.0) -> tuple[np.ndarray, Any]:
    """The points from 0 after every step in float64, and the last state. The gradient, and no loss, may be in another unit."""

    def step(carry: Any, _: None) -> Any:
        x, state = carry
        value, gradient = jax.value_and_grad(loss)(x)
        updates, state = tx.update(gradient_scale * gradient, state, x, value=value)
        x = gx.apply_updates(x, updates)
        return (x, state), x

    with jax.enable_x64(True):
        x = jnp.zeros(4)
        (_, state), path = jax.jit(lambda x: jax.lax.scan(step, (x, tx.init(x)), length=steps))(x)
        return np.asarray(path), jax.tree.map(np.asarray, state)


WITHOUT_UNIT = {
    "dog": gx.dog(reps_rel=1e-3, eps_root=1e-100),
    "dowg": gx.dowg(eps=1e-100),
    "prodigy": gx.prodigy(eps=1e-100, d0=1e-3),
    "dadapt_adamw": gx.dadapt_adamw(eps=1e-100, d0=1e-3),
    "cocob": gx.cocob(eps=1e-100),
    "mechanic": gx.mechanic(gx.adam(1.0, eps=1e-100), s_init=1e-2, eps=1e-100),
}


@pytest.mark.parametrize("tx", WITHOUT_UNIT.values(), ids=WITHOUT_UNIT)
def test_the_unit_of_the_loss_does_not_matter(tx: gx.GradientTransformation) -> None:
    """A power of two multiplies without rounding, so paths agree but for where an ε was."""
    path, _ = run(tx, quadratic, 100)
    other, _ = run(tx, quadratic, 100, gradient_scale=2.0**20)
    assert np.max(np.abs(path[-1])) > 1e-3
    np.testing.assert_allclose(other, path, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("loss", [quadratic, sizes])
def test_prodigys_estimate_is_below_the_distance_of_the_solution(loss: Any) -> None:
    """Σ w ⟨g, θ₀ − θ⟩ ≤ Σ w ⟨g, θ₀ − θ*⟩ ≤ ‖Σ w g‖₁ ‖θ₀ − θ*‖∞ for any convex loss, whatever path is taken."""
    _, state = run(gx.prodigy(), loss, 2000)
    largest = np.max(np.abs(TARGET))
    assert 0.1 * largest < state["prodigy"]["scale_by_prodigy"]["distance"] <= largest * (1 + 1e-9)


@pytest.mark.parametrize("loss", [quadratic, sizes])
def test_the_estimate_of_d_adaptation_reaches_the_order_of_the_distance(loss: Any) -> None:
    _, state = run(gx.dadapt_adamw(), loss, 2000)
    largest = np.max(np.abs(TARGET))
    assert 0.1 * largest < state["dadapt_adamw"]["scale_by_dadapt"]["distance"] < 2 * largest


def test_dogs_distance_is_the_largest_so_far() -> None:
    path, state = run(gx.dog(), quadratic, 300)
    travelled = np.linalg.norm(path[:-1], axis=1)
    assert state["dog"]["scale_by_dog"]["distance"] == pytest.approx(np.max(travelled), rel=1e-12)


def test_a_constant_rate_says_nothing_to_coin_betting_and_a_falling_one_does() -> None:
    path, _ = run(gx.cocob(), quadratic, 200)
    np.testing.assert_allclose(run(gx.cocob(learning_rate=7.0, eps=7e-8), quadratic, 200)[0], path, rtol=1e-9)
    assert not np.allclose(run(gx.cocob(gx.linear_schedule(1.0, 0.0, 200)), quadratic, 200)[0], path, rtol=1e-3)


@pytest.mark.parametrize("tx", [gx.cocob(), gx.dadapt_adamw(), gx.mechanic(gx.sgd(1.0)), gx.mechanic(gx.adam(1.0))], ids=repr)
def test_newer_ones_arrive_without_a_learning_rate(tx: gx.GradientTransformation) -> None:
    path, _ = run(tx, quadratic, 3000)
    assert quadratic(path[-1]) < 1e-2 * quadratic(np.zeros(4))


def test_momo_adam_is_adam_where_the_rate_is_small_and_bears_one_that_is_not() -> None:
    path, _ = run(gx.momo_adam(1e-3), quadratic, 100)
    np.testing.assert_allclose(path, run(gx.adam(1e-3), quadratic, 100)[0], rtol=1e-9)
    large, of_adam = (quadratic(run(tx, quadratic, 101)[0][-1]) for tx in (gx.momo_adam(1e3), gx.adam(1e3)))
    assert large < 1e-3 * quadratic(np.zeros(4)) < of_adam


def test_mechanic_is_a_scale_of_all_that_its_optimizer_moved() -> None:
    tx = gx.mechanic(gx.sgd(gx.linear_schedule(1.0, 0.0, 50)), s_init=1e-3)
    path, state = run(tx, quadratic, 50)
    scale = sum(state["mechanic"][f"tuner_{k}"]["scale"] for k in range(6))
    np.testing.assert_allclose(path[-1], scale * state["mechanic"]["moved"], rtol=1e-9)
    assert not np.any(path[0])
    assert quadratic(path[-1]) < 0.5 * quadratic(np.zeros(4))


def test_mechanic_keeps_its_tuners_apart_however_many_there_are() -> None:
    betas = tuple(1 - 0.5**k for k in range(1, 13))
    path, _ = run(gx.mechanic(gx.sgd(1.0), s_init=1e-3, betas=betas), quadratic, 50)
    start = np.full(4, 1e-15)  # the reference divides by its norm
    gradients = CURVATURE * (np.stack([start, *path[:-1]]) - TARGET)
    expected = np.stack(list(controllers.mechanic_sgd(start, gradients, 1.0, betas, s_init=1e-3)))
    np.testing.assert_allclose(path, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("betas", [(), (0.9, 1.0), (-0.1,)], ids=str)
def test_mechanic_refuses_betas_that_are_none(betas: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"mechanic: betas(\[\d\])? must"):
        gx.mechanic(gx.sgd(1.0), betas=betas)
