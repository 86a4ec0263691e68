"""What the parts of element-wise optimizers promise beyond their trajectories."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradtx as gx


def test_proximal_decay_divides_the_weights():
    params, updates = np.array([2.0, -3.0]), np.array([0.5, 1.0])
    tx = gx.scale_by_proximal_learning_rate(0.1, 4.0)
    with jax.enable_x64(True):
        new = gx.apply_updates(params, tx.update(updates, tx.init(params), params)[0])
    np.testing.assert_allclose(new, (params - 0.1 * updates) / 1.4, rtol=1e-14)


def test_proximal_decay_is_for_the_chosen_leaves():
    params = {"w": np.ones(2), "b": np.ones(2)}
    tx = gx.scale_by_proximal_learning_rate(0.5, 2.0, "w")
    updates, _ = tx.update(jax.tree.map(np.zeros_like, params), tx.init(params), params)
    np.testing.assert_array_equal(updates["w"], -0.5)
    np.testing.assert_array_equal(updates["b"], 0)


def test_half_lives_move_along_a_straight_line():
    with jax.enable_x64(True):
        decays = np.asarray(gx.half_life_schedule(0.5, 0.999, 10)(jnp.arange(13)))
    half_lives = np.log(0.5) / np.log(decays)
    np.testing.assert_allclose(half_lives[:11], np.linspace(1, np.log(0.5) / np.log(0.999), 11), rtol=1e-12)
    np.testing.assert_allclose(decays[10:], 0.999, rtol=1e-15)


@pytest.mark.parametrize("bound", [gx.power_schedule(1.0, 0.25), 10.0])
def test_the_first_gradient_moves_nothing_in_adopt(bound):
    tx = gx.adopt(0.1, max_delta=bound)
    params = np.ones(3, np.float32)
    updates, state = tx.update(np.full(3, 2, np.float32), tx.init(params), params)
    np.testing.assert_array_equal(updates, 0)
    np.testing.assert_allclose(jax.tree.leaves(state["adopt"]["scale_by_lagged_rms"])[0], 4)


def test_powers_of_time_begin_at_one():
    with jax.enable_x64(True):
        values = gx.power_schedule(3.0, 0.25)(jnp.array([0, 1, 16, 81]))
    np.testing.assert_allclose(values, [3, 3, 6, 9], rtol=1e-14)


def test_rprop_reads_signs_alone():
    gradients = np.random.default_rng(0).normal(size=(20, 3))
    tx = gx.rprop(0.1)

    def path(gradients):
        def step(state, g):
            update, state = tx.update(g, state)
            return state, update

        return jax.lax.scan(step, tx.init(gradients[0]), gradients)[1]

    np.testing.assert_array_equal(path(gradients), path(1e-30 * np.abs(gradients) ** 0.5 * np.sign(gradients)))


def test_noise_of_gradient_descent_is_normal_and_fades():
    zeros = np.zeros((60, 400), np.float32)
    tx = gx.noisy_sgd(0.5, 3, eta=4.0, gamma=2.0)

    def step(state, g):
        update, state = tx.update(g, state)
        return state, update

    updates = np.asarray(jax.lax.scan(step, tx.init(zeros[0]), zeros)[1])
    units = updates / (0.5 * 2.0 / (1 + np.arange(60)))[:, None]
    assert abs(np.mean(units)) < 0.03
    assert abs(np.std(units) - 1) < 0.03
    assert np.max(np.abs(np.corrcoef(units[0], units[1])[0, 1])) < 0.2
