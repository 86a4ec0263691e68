"""Averages of parameters and where they are evaluated, against sums in float64 NumPy and against Optax."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax.contrib
import pytest

import gradtx as gx
from tests.cases import make_params

STEPS = 20


def walk(tx, params=None, dtype=jnp.float64):
    """The points after each step at random gradients, the last parameters and the state."""
    rng = np.random.default_rng(0)
    params = make_params(dtype) if params is None else params
    state, points = tx.init(params), []
    for _ in range(STEPS):
        gradients = jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape)).astype(leaf.dtype), params)
        updates, state = tx.update(gradients, state, params)
        params = gx.apply_updates(params, updates)
        points.append(params)
    return points, params, state


def evaluated(tx, **options):
    points, params, state = walk(tx, **options)
    return points, gx.eval_params(tx, params, state)


@pytest.fixture(autouse=True)
def in_float64():
    with jax.enable_x64(True):
        yield


def test_an_average_is_debiased_from_the_first_point_on():
    points, found = evaluated(gx.average(gx.adam(0.1), 0.9))
    for name in "wbs":
        mean = 0.0
        for point in points:
            mean = 0.9 * mean + 0.1 * np.asarray(point[name])
        np.testing.assert_allclose(found[name], mean / (1 - 0.9**STEPS), rtol=1e-12)
    tx = gx.average(gx.adam(0.1), 0.9)
    updates, state = tx.update(points[0], tx.init(points[0]), points[0])
    first = gx.apply_updates(points[0], updates)
    chex.assert_trees_all_close(gx.eval_params(tx, first, state), first, rtol=1e-12)


@pytest.mark.parametrize(("start", "every"), [(1, 1), (5, 3), (7, 1), (20, 4)])
def test_a_uniform_average_is_the_mean_of_its_points(start, every):
    points, found = evaluated(gx.uniform_average(gx.sgd(0.1), start, every))
    for name in "wbs":
        np.testing.assert_allclose(
            found[name], np.mean([np.asarray(points[k - 1][name]) for k in range(start, STEPS + 1, every)], 0), rtol=1e-12
        )


def test_before_its_start_a_uniform_average_is_the_parameters():
    points, found = evaluated(gx.uniform_average(gx.sgd(0.1), STEPS + 1))
    chex.assert_trees_all_equal(found, points[-1])


@pytest.mark.parametrize("wrap", [lambda tx: gx.average(tx, 0.9), gx.uniform_average], ids=["average", "uniform_average"])
def test_an_average_changes_no_update(wrap):
    chex.assert_trees_all_equal(walk(wrap(gx.adam(0.1)))[1], walk(gx.adam(0.1))[1])


def test_slow_weights_are_those_of_the_paper():
    """Zhang et al. 2019, algorithm 1, in NumPy."""
    start = make_params(jnp.float64)
    points, found = evaluated(gx.lookahead(gx.sgd(0.1), 3, 0.4))
    plain, _, _ = walk(gx.sgd(0.1))
    for name in "wbs":
        slow = fast = before = np.asarray(start[name])
        for k, point in enumerate(plain, start=1):
            fast, before = fast + np.asarray(point[name]) - before, np.asarray(point[name])
            if k % 3 == 0:
                slow = slow + 0.4 * (fast - slow)
                fast = slow
            np.testing.assert_allclose(points[k - 1][name], fast, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(found[name], slow, rtol=1e-12, atol=1e-13)


WARMUP = gx.linear_schedule(0.0, 0.125, 4)
RMS = gx.scale_by_rms(gx.bias_correction(gx.ema(0.999)), 1e-8)
DECAYED = gx.chain(RMS, gx.add_decayed_weights(0.01), gx.scale_by_learning_rate(0.1))
FREE = {
    "sgd": (gx.schedule_free_sgd(0.1), optax.contrib.schedule_free_sgd(0.1)),
    "sgd, decay": (gx.schedule_free_sgd(0.1, 0.8, 0.05), optax.contrib.schedule_free_sgd(0.1, b1=0.8, weight_decay=0.05)),
    "adamw": (gx.schedule_free(DECAYED, 0.1), optax.contrib.schedule_free_adamw(0.1, weight_decay=0.01)),
    "power": (
        gx.schedule_free(gx.sgd(WARMUP), gx.shifted_schedule(WARMUP, 1), 0.9, 1.0),
        optax.contrib.schedule_free(
            optax.sgd(optax.linear_schedule(0.0, 0.125, 4)), optax.linear_schedule(0.0, 0.125, 4), weight_lr_power=1.0
        ),
    ),
}


@pytest.mark.parametrize("name", FREE)
def test_schedule_free_methods_are_those_of_optax(name):
    own, theirs = FREE[name]
    points, found = evaluated(own)
    expected, params, state = walk(theirs)
    chex.assert_trees_all_close(points, expected, rtol=1e-10, atol=1e-12)
    chex.assert_trees_all_close(found, optax.contrib.schedule_free_eval_params(state, params), rtol=1e-10, atol=1e-12)


def test_a_schedule_free_average_is_the_weighted_mean_of_the_steps():
    """With a scheduled β too: x is Σ w z / Σ w whatever lies between."""
    tx = gx.schedule_free(gx.sgd(WARMUP), WARMUP, gx.linear_schedule(0.5, 0.9, 10))
    params = {"s": jnp.zeros(())}
    state, z, total, weights, largest = tx.init(params), 0.0, 0.0, 0.0, 0.0
    for k in range(STEPS):
        gradient = float(np.sin(k))
        updates, state = tx.update({"s": jnp.asarray(gradient)}, state, params)
        params = gx.apply_updates(params, updates)
        rate = min(k / 4, 1) * 0.125
        z, largest = z - rate * gradient, max(largest, rate)
        total, weights = total + largest**2 * z, weights + largest**2
        if weights:
            np.testing.assert_allclose(gx.eval_params(tx, params, state)["s"], total / weights, rtol=1e-10, atol=1e-14)


AROUND = {
    "chain": lambda tx: gx.chain(gx.clip(10.0), tx),
    "named": lambda tx: gx.named("mine", tx),
    "skip_nonfinite": gx.skip_nonfinite,
    "skip_spikes": gx.skip_spikes,
    "accumulate": lambda tx: gx.accumulate(tx, 1),
    "every": lambda tx: gx.every(1, tx),
    "freeze": lambda tx: gx.freeze(lambda path, leaf: False, tx),
}


@pytest.mark.parametrize("name", AROUND)
@pytest.mark.parametrize("average", [gx.average(gx.sgd(0.1), 0.9), gx.schedule_free_sgd(0.1)], ids=["average", "schedule_free"])
def test_evaluation_sees_through(name, average):
    found, expected = (evaluated(tx)[1] for tx in (AROUND[name](average), average))
    chex.assert_trees_all_close(found, expected, rtol=1e-12)


def test_a_frozen_leaf_is_evaluated_as_it_is():
    tx = gx.freeze("w", gx.average(gx.sgd(0.1), 0.9))
    points, found = evaluated(tx)
    chex.assert_trees_all_equal(found["w"], points[0]["w"])
    np.testing.assert_allclose(found["b"], evaluated(gx.average(gx.sgd(0.1), 0.9))[1]["b"])


@pytest.mark.parametrize("tx", [gx.adam(0.1), gx.chain(gx.clip(1.0), gx.skip_nonfinite(gx.sgd(0.1))), gx.identity()], ids=str)
def test_what_averages_nothing_is_evaluated_where_it_is(tx):
    params = {"w": jnp.ones(2, jnp.bfloat16), "n": jnp.arange(3), "none": None, "c": jnp.ones(2, complex)}
    found = gx.eval_params(tx, params, tx.init(params))
    chex.assert_trees_all_equal(found, params)
    assert found["w"].dtype == jnp.bfloat16


def test_evaluation_keeps_the_tree_of_the_user():
    params = {"w": jnp.ones(2, jnp.bfloat16), "n": jnp.arange(3), "none": None, "c": jnp.array([1 + 2j])}
    tx = gx.average(gx.sgd(0.1), 0.5)
    found = jax.jit(gx.eval_params)(tx, params, tx.init(params))
    chex.assert_trees_all_equal(found, params)
    chex.assert_trees_all_equal_dtypes(found, params)


def test_a_batch_of_averages_is_evaluated_under_vmap():
    start = jnp.ones(3)

    def run(decay):
        tx = gx.average(gx.sgd(0.1), decay)
        _, state = tx.update(start, tx.init(start), start)
        _, state = tx.update(start, state, 2 * start)
        return gx.eval_params(tx, 5 * start, state)

    swept = jax.vmap(run)(jnp.array([0.0, 0.5]))
    np.testing.assert_allclose(swept[:, 0], [5, (0.5 * 2 + 5) / 1.5])


@pytest.mark.parametrize(
    ("tx", "places"),
    [
        (gx.average(gx.lookahead(gx.sgd(0.1))), "average and average/lookahead"),
        (gx.chain(gx.average(gx.identity()), gx.schedule_free_sgd(0.1)), "chain/average and chain/schedule_free_sgd/schedule_free"),
    ],
    ids=["nested", "side by side"],
)
def test_two_averages_are_refused(tx, places):
    params = make_params()
    with pytest.raises(ValueError, match="each keep parameters to evaluate at, and only one can be meant"):
        gx.eval_params(tx, params, tx.init(params))
    with pytest.raises(ValueError, match=places.replace("chain/", "")):
        gx.eval_params(tx, params, tx.init(params))


def test_an_error_of_evaluation_says_how_it_is_called():
    params, tx = make_params(), gx.average(gx.sgd(0.1))
    with pytest.raises(TypeError, match=r"The order is eval_params\(tx, params, state\)\."):
        gx.eval_params(tx, tx.init(params), params)


def test_groups_with_averages_of_their_own_are_evaluated_each_by_itself():
    first, second = gx.average(gx.sgd(0.1), 0.9), gx.chain(gx.clip(1.0), gx.lookahead(gx.sgd(0.2), STEPS - 1))
    tx = gx.chain(gx.scale(0.5), gx.partition(("w", first), (None, second)))
    points, found = evaluated(tx)
    for where, alone in (("w", first), ("b", second)):
        expected_points, expected = evaluated(gx.chain(gx.scale(0.5), gx.masked(where, alone)))
        np.testing.assert_allclose([p[where] for p in points], [p[where] for p in expected_points], rtol=1e-6)
        np.testing.assert_allclose(found[where], expected[where], rtol=1e-6)
        assert not np.allclose(found[where], points[-1][where])


def test_two_averages_of_one_group_are_refused_and_so_is_one_around_all_groups():
    params, plain = make_params(), (None, gx.sgd(0.1))
    twice = gx.partition(("w", gx.average(gx.lookahead(gx.sgd(0.1)))), (None, gx.average(gx.sgd(0.1))))
    around = gx.average(gx.partition(("w", gx.lookahead(gx.sgd(0.1))), plain))
    before = gx.chain(gx.average(gx.identity()), gx.partition(("w", gx.lookahead(gx.sgd(0.1))), plain))
    for tx in (twice, around, before):
        with pytest.raises(ValueError, match="each keep parameters to evaluate at, and only one can be meant"):
            gx.eval_params(tx, params, tx.init(params))


def test_what_cannot_be_seen_through_is_refused():
    params = make_params()
    tx = gx.add(gx.average(gx.sgd(0.1)), gx.sgd(0.1))
    with pytest.raises(TypeError, match="add holds a part that averages the parameters, and does not say how to evaluate through it"):
        gx.eval_params(tx, params, tx.init(params))


def test_what_is_no_optimizer_or_no_state_is_refused():
    params, tx = make_params(), gx.average(gx.sgd(0.1))
    with pytest.raises(TypeError, match=r"eval_params\(tx, params, state\): tx must be a transformation of gradtx"):
        gx.eval_params(optax.sgd(0.1), params, tx.init(params))
    with pytest.raises(TypeError, match="the state must be what init"):
        gx.eval_params(tx, tx.init(params), params)
    with pytest.raises(ValueError, match="belongs to another optimizer"):
        gx.eval_params(tx, params, gx.adam(0.1).init(params))
    with pytest.raises(TypeError, match="evaluate is for the body of a wrapper"):
        tx.evaluate(params, tx.init(params))
