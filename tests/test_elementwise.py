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


def test_optimism_converges_in_a_game_that_descent_circles():
    def distance(tx):
        def step(carry, _):
            players, state = carry
            x, y = players
            updates, state = tx.update((y, -x), state, players)
            return (gx.apply_updates(players, updates), state), None

        players = (jnp.ones(()), jnp.ones(()))
        (x, y), _ = jax.lax.scan(step, (players, tx.init(players)), None, length=2000)[0]
        return jnp.hypot(x, y)

    assert distance(gx.optimistic_gradient_descent(0.1)) < 1e-3
    assert distance(gx.sgd(0.1)) > 10


def quadratic(params):
    return sum(jnp.sum(jnp.arange(1, leaf.size + 1).reshape(leaf.shape) * leaf**2) for leaf in jax.tree.leaves(params)) / 2


def test_curvature_that_is_handed_in_takes_the_place_of_draws():
    params = {"w": np.ones((2, 3), np.float32), "b": np.ones(4, np.float32)}
    diagonal = {"w": np.arange(1.0, 7.0).reshape(2, 3), "b": np.array([2.0, 4.0, 8.0, -1.0])}
    tx = gx.scale_by_hessian_diagonal(0.0, 0.5, 1e-2, 0, every=3)
    state = tx.init(params)
    updates, state = tx.update(params, state, params, hessian_diagonal=diagonal)
    np.testing.assert_allclose(updates["w"], 1 / (0.5 * diagonal["w"]), rtol=1e-6)
    np.testing.assert_allclose(updates["b"], [1, 0.5, 0.25, 100], rtol=1e-6)
    again, state = tx.update(params, state, params, hessian_diagonal=jax.tree.map(np.zeros_like, diagonal))
    jax.tree.map(np.testing.assert_array_equal, again, updates)
    _, state = tx.update(params, state, params, hessian_diagonal=diagonal)
    third, _ = tx.update(params, state, params, hessian_diagonal=jax.tree.map(np.zeros_like, diagonal))
    np.testing.assert_allclose(third["w"], 100, rtol=1e-6)


def test_hutchinson_finds_the_diagonal_in_the_mean():
    params = {"w": np.ones((2, 3), np.float32), "b": np.ones(4, np.float32)}
    tx = gx.scale_by_hessian_diagonal(0.999, 1.0, 1e-9, 0, every=1)

    def step(state, _):
        _, state = tx.update(params, state, params, value_fn=quadratic)
        return state, None

    state, _ = jax.lax.scan(step, tx.init(params), None, length=4000)
    found = state["scale_by_hessian_diagonal"]["average"]
    np.testing.assert_allclose(found["b"] / (1 - 0.999**4000), [1, 2, 3, 4], rtol=0.15)
    np.testing.assert_allclose(found["w"].ravel() / (1 - 0.999**4000), np.arange(1, 7), rtol=0.15)


def test_curvature_must_fit_and_be_there():
    params = {"w": np.ones(3, np.float32)}
    tx = gx.sophia(0.1, 0)
    state = tx.init(params)
    with pytest.raises(ValueError, match=r"hessian_diagonal must have a leaf of shape \(3,\) at w, got None"):
        tx.update(params, state, params, hessian_diagonal={"v": np.ones(3)})
    with pytest.raises(TypeError, match="needs the extra 'value_fn' or 'hessian_diagonal'"):
        tx.update(params, state, params)


def test_frozen_leaves_may_have_curvature():
    params = {"w": np.ones(3, np.float32), "b": np.ones(2, np.float32)}
    tx = gx.freeze("b", gx.scale_by_hessian_diagonal(0.0, 1.0, 1e-2, 0))
    updates, _ = tx.update(params, tx.init(params), params, hessian_diagonal=jax.tree.map(lambda p: 4 * p, params))
    np.testing.assert_allclose(updates["w"], 0.25)
    np.testing.assert_array_equal(updates["b"], 0)


def test_ftrl_makes_weights_exactly_zero():
    params = np.zeros(3, np.float32)
    gradients = np.tile(np.array([0.01, -0.01, 1.0], np.float32), (20, 1))
    tx = gx.ftrl(0.1, l1=0.5)

    def step(carry, g):
        params, state = carry
        updates, state = tx.update(g, state, params)
        return (gx.apply_updates(params, updates), state), None

    (params, _), _ = jax.lax.scan(step, (jnp.asarray(params), tx.init(params)), gradients)
    np.testing.assert_array_equal(params[:2], 0)
    assert params[2] < -0.1
