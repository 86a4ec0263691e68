"""Successive halving, Hyperband, populations and hypergradients on a small regression."""

import contextlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradtx as gx
from gradtx import sweep

X = np.random.default_rng(0).normal(size=(16, 3)).astype(np.float32)
Y = (X @ np.array([1.0, -2.0, 0.5])).astype(np.float32)


def loss(w):
    return jnp.mean((X @ w - Y) ** 2)


def start(tx, key):
    w = 0.1 * jax.random.normal(key, (3,))
    return w, tx.init(w)


def advance(tx, carry, key):
    w, state = carry
    noise = 0.01 * jax.random.normal(key, w.shape)
    updates, state = tx.update(jax.grad(loss)(w) + noise, state, w)
    return gx.apply_updates(w, updates), state


RUN = sweep.Run(start, advance, lambda tx, carry: loss(carry[0]))
KEY = jax.random.key(3)
RATES = jnp.array([1e-4, 1e-3, 1e-2, 0.1, 0.3, 3.0, 1e3, 0.03, 3e-3])
MANY = jax.vmap(gx.sgd)(RATES)
VECTOR = RUN._replace(score=lambda tx, carry: carry[0])


def test_halving_keeps_the_best_and_each_member_trains_as_if_alone():
    found = sweep.successive_halving(RUN, MANY, KEY, steps=4)
    assert [(len(rung.members), rung.steps) for rung in found.rungs] == [(9, 4), (3, 12), (1, 36)]
    for before, after in zip(found.rungs, found.rungs[1:], strict=False):
        assert set(before.members[np.argsort(before.scores)[: len(after.members)]]) == set(after.members)
    (winner,) = found.rungs[-1].members
    alone = gx.sgd(RATES[winner])
    key = jax.random.fold_in(KEY, winner)
    carry = RUN.after(alone, start(alone, jax.random.fold_in(key, 2**31 - 1)), key, 0, 36)
    np.testing.assert_allclose(found.carry[0], carry[0], rtol=1e-5, atol=1e-6)
    assert found.optimizer.learning_rate == RATES[winner]
    assert found.score < 1e-2


def test_a_diverged_member_is_last_and_harms_nobody():
    found = sweep.successive_halving(RUN, MANY, KEY, steps=40, rungs=1)
    assert found.rungs[0].scores[6] == np.inf
    assert np.isfinite(np.delete(found.rungs[0].scores, [5, 6])).all()


def test_halving_of_several_structures_trains_each_member_as_if_alone():
    several = [gx.sgd(1e-3), gx.sign(), jax.vmap(gx.sgd)(jnp.array([0.1, 1e-2]))]
    found = sweep.successive_halving(RUN, several, 3, steps=4, factor=2, rungs=2)
    assert [(rung.members.tolist(), rung.steps) for rung in found.rungs] == [([0, 1, 2, 3], 4), ([2, 3], 8)]
    key = jax.random.key(3)
    for rung, member, tx in ((0, 0, gx.sgd(1e-3)), (0, 1, gx.sign()), (1, 2, gx.sgd(0.1))):
        own = jax.random.fold_in(key, member)
        carry = RUN.after(tx, start(tx, jax.random.fold_in(own, 2**31 - 1)), own, 0, found.rungs[rung].steps)
        score = found.rungs[rung].scores[found.rungs[rung].members.tolist().index(member)]
        np.testing.assert_allclose(score, loss(carry[0]), rtol=1e-4)
    assert found.optimizer.learning_rate == np.float32(0.1)


@pytest.mark.parametrize("dtype", [jnp.int32, bool, jnp.bfloat16])
def test_scores_of_every_dtype_compare(dtype):
    run = sweep.Run(lambda tx, key: 0.0, lambda tx, carry, key: carry, lambda tx, carry: (100 * tx.learning_rate).astype(dtype))
    found = sweep.successive_halving(run, MANY, KEY, steps=1)
    assert found.score == float((100 * RATES).astype(dtype).min())
    grown = sweep.population(run, MANY, KEY, rounds=2, steps=1)
    assert grown.scores.dtype == jnp.float32


def test_numbers_stay_within_their_ranges():
    """A correction of 0.9 times 1.25 is one of 1, and so is what a gradient makes of it."""
    share = sweep._coordinates.Coordinate("share", 0, "plain", 0.0, 1.0)
    assert share.multiplied(jnp.float32(0.9), 1.25) == share.outward(jnp.float32(1.2)) == 1
    assert jax.grad(share.outward)(1.0) == 1
    (found,) = sweep._coordinates.coordinates(gx.chain(gx.scale_by_learning_rate(0.1), gx.add_noise(0.1, 0.55, 0)), "*/gamma", "test")
    assert (found.kind, found.low) == ("log", 0)


def test_hyperband_has_the_brackets_of_its_paper():
    """Li et al. 2018, table 1 of the JMLR version: R = 81, η = 3."""
    sizes = []
    run = sweep.Run(lambda tx, key: jnp.zeros(()), lambda tx, carry, key: carry, lambda tx, carry: tx.learning_rate)

    def draw(key, n):
        sizes.append(n)
        return jax.vmap(gx.sgd)(jax.random.uniform(key, (n,)))

    found = sweep.hyperband(run, draw, KEY, max_steps=81)
    assert sizes == [81, 34, 15, 8, 5]
    counts = {len(halving.rungs): [(len(rung.members), rung.steps) for rung in halving.rungs] for halving in found}
    assert counts[5] == [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)]
    assert counts[3] == [(15, 9), (5, 27), (1, 81)]
    assert [halving.score for halving in found] == sorted(halving.score for halving in found)


def test_brackets_end_at_the_same_step():
    """They are compared with each other, also where the steps are no power of the factor."""
    run = sweep.Run(lambda tx, key: jnp.zeros(()), lambda tx, carry, key: carry + 1, lambda tx, carry: tx.learning_rate - carry)
    found = sweep.hyperband(run, lambda key, n: jax.vmap(gx.sgd)(jax.random.uniform(key, (n,))), KEY, max_steps=20)
    steps = {len(halving.rungs): [rung.steps for rung in halving.rungs] for halving in found}
    assert steps == {1: [20], 2: [6, 20], 3: [2, 6, 20]}
    assert {float(halving.carry) for halving in found} == {20.0}


def test_a_population_on_devices_is_the_same_with_explicit_axes_and_stays_there():
    mesh = jax.make_mesh((8,), ("x",), axis_types=(jax.sharding.AxisType.Explicit,))
    options = {"rounds": 4, "steps": 3, "exploit": 0.25}
    many = jax.vmap(gx.sgd)(RATES[:8])
    expected = sweep.population(RUN, many, KEY, **options)
    for context in (contextlib.nullcontext, lambda: jax.set_mesh(mesh)):
        with context():
            spread = jax.device_put(many, jax.NamedSharding(mesh, jax.P("x")))
            found = sweep.population(RUN, spread, KEY, **options)
            assert {leaf.sharding.spec[0] for leaf in jax.tree.leaves((found.optimizers, found.carries))} == {"x"}
        np.testing.assert_array_equal(found.parents, expected.parents)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4), jax.device_get(found), jax.device_get(expected))


def test_a_population_reads_data_that_lie_on_the_mesh_and_says_where_jax_cannot():
    mesh = jax.make_mesh((8,), ("x",), axis_types=(jax.sharding.AxisType.Explicit,))
    options = {"rounds": 2, "steps": 2, "exploit": 0.25}

    def reading(data, rows):
        def loss(w):
            return jnp.mean((data * w - 1) ** 2)

        def advance(tx, carry, key):
            seen = data[jax.random.randint(key, (), 0, 16)] if rows else 0.0
            updates, state = tx.update(jax.grad(loss)(carry[0]) + 0 * seen, carry[1], carry[0])
            return gx.apply_updates(carry[0], updates), state

        return sweep.Run(lambda tx, key: (jnp.zeros(()), tx.init(jnp.zeros(()))), advance, lambda tx, carry: loss(carry[0]))

    many = jax.vmap(gx.sgd)(RATES[:8])
    expected = sweep.population(reading(jnp.linspace(0, 1, 16), False), many, KEY, **options)
    with jax.set_mesh(mesh):
        data, spread = jnp.linspace(0, 1, 16), jax.device_put(jax.device_get(many), jax.P("x"))
        found = sweep.population(reading(data, False), spread, KEY, **options)
        np.testing.assert_allclose(jax.device_get(found.scores), expected.scores, rtol=1e-5)
        with pytest.raises(TypeError, match=r"such as picking by an index. Put members and data on .*AxisType.Auto"):
            sweep.population(reading(data, True), spread, KEY, **options)
        found = sweep.population(reading(data, True), jax.device_get(many), KEY, **options)
        np.testing.assert_allclose(jax.device_get(found.scores), expected.scores, rtol=1e-5)


def evolved(**options):
    options = {"rounds": 6, "steps": 5, "exploit": 0.25, **options}
    return sweep.population(RUN, jax.vmap(gx.sgd)(RATES[:8]), KEY, **options)


def test_a_population_copies_the_best_and_changes_the_copies():
    found = evolved()
    scores, parents, rates = np.asarray(found.scores), np.asarray(found.parents), np.asarray(found.history.learning_rate)
    assert parents[0].tolist() == list(range(8))
    for k in range(1, 6):
        order = np.argsort(scores[k - 1], kind="stable")
        copies = np.flatnonzero(parents[k] != np.arange(8))
        assert set(copies) == set(order[-2:])
        assert set(parents[k][copies]) <= set(order[:2])
        ratios = rates[k] / rates[k - 1][parents[k]]
        assert all(np.isclose(ratios[m], [0.8, 1.25], rtol=1e-5).any() if m in copies else ratios[m] == 1 for m in range(8))
    assert np.isfinite(scores[-1]).sum() > np.isfinite(scores[0]).sum() - 1
    assert scores[-1][found.best] == scores[-1].min() < 1e-2
    np.testing.assert_allclose(jax.vmap(loss)(found.carries[0])[found.best], scores[-1][found.best], rtol=1e-3)


def test_a_copied_member_continues_from_its_parents_parameters_and_state():
    run = sweep.Run(lambda tx, key: jax.random.uniform(key), lambda tx, carry, key: carry, lambda tx, carry: carry)
    found = sweep.population(run, jax.vmap(gx.sgd)(RATES), KEY, rounds=3, steps=1, exploit=0.3)
    for before, after, parents in zip(found.scores, found.scores[1:], found.parents[1:], strict=False):
        np.testing.assert_array_equal(after, before[parents])


def test_a_population_depends_on_its_key_alone_and_its_result_may_be_donated():
    first, again, other = evolved(), evolved(), sweep.population(RUN, jax.vmap(gx.sgd)(RATES[:8]), jax.random.key(4), rounds=6, steps=5)
    jax.tree.map(np.testing.assert_array_equal, first, again)
    assert not np.array_equal(first.scores, other.scores)
    addresses = [leaf.unsafe_buffer_pointer() for leaf in jax.tree.leaves(first)]
    assert len(set(addresses)) == len(addresses)


def test_decays_are_changed_by_their_distance_from_one_and_stay_below_it():
    txs = jax.vmap(lambda b1: gx.adam(0.1, b1))(jnp.array([0.0, 0.5, 0.9, 0.99]))
    found = sweep.population(RUN, txs, KEY, rounds=8, steps=2, exploit=0.5, explore=["b1"])
    b1 = np.asarray(found.history.b1)
    assert (b1 >= 0).all()
    assert (b1 < 1).all()
    assert (np.asarray(found.history.learning_rate) == np.float32(0.1)).all()
    parents = np.asarray(found.parents)
    rest = (1 - b1[1]) / (1 - b1[0][parents[1]])
    assert np.isclose(rest[:, None], [0.8, 1.25, 1.0], rtol=1e-3).any(axis=1).all()


def test_a_hypergradient_is_that_of_the_unrolled_steps_in_the_logarithm():
    tx = gx.sgd(0.01)
    found = sweep.hypergradient(RUN, tx, KEY, rounds=2, steps=3, outer=gx.sgd(0.5))
    starting, training = jax.random.split(KEY)
    carry = start(tx, starting)

    def after(u):
        inner = RUN.after(gx.sgd(jnp.exp(u)), carry, training, 0, 3)
        return loss(inner[0]), inner

    u = jnp.log(0.01)
    (value, carry), slope = jax.value_and_grad(after, has_aux=True)(u)
    np.testing.assert_allclose(found.scores[0], value, rtol=1e-5)
    np.testing.assert_allclose(found.history.learning_rate, [0.01, jnp.exp(u - 0.5 * slope)], rtol=1e-5)


def test_hypergradients_mend_a_bad_learning_rate_and_leave_the_rest():
    tx = gx.adam(1e-4)
    found = sweep.hypergradient(RUN, tx, KEY, rounds=60, steps=5, tune="learning_rate")
    plain = sweep.hypergradient(RUN, tx, KEY, rounds=60, steps=5, tune="learning_rate", outer=gx.sgd(0.0))
    assert found.scores[-1] < 0.05 * plain.scores[-1]
    assert found.optimizer.learning_rate > 5e-3
    assert (found.optimizer.b1, found.optimizer.b2) == (np.float32(0.9), np.float32(0.999))


def test_every_number_may_be_tuned_and_decays_stay_decays():
    found = sweep.hypergradient(RUN, gx.adam(0.01), KEY, rounds=20, steps=3, outer=gx.adam(0.5))
    assert all(np.isfinite(leaf) for leaf in jax.tree.leaves(found.optimizer))
    assert found.optimizer.b1 != np.float32(0.9)
    assert 0 <= found.optimizer.b1 < 1
    assert found.optimizer.eps > 0


@pytest.mark.parametrize(
    ("message", "act"),
    [
        ("there are no optimizers", lambda: sweep.successive_halving(RUN, [], KEY, steps=1)),
        ("a batch of them", lambda: sweep.population(RUN, [gx.sgd(0.1)], KEY, rounds=1, steps=1)),
        ("factor must be a whole number, got 2.5", lambda: sweep.successive_halving(RUN, MANY, KEY, steps=1, factor=2.5)),
        ("factors must be two numbers above 0", lambda: evolved(factors=(-1.0, 2.0))),
        ("tune names no number", lambda: sweep.hypergradient(RUN, gx.sgd(0.1), KEY, rounds=1, steps=1, tune=[])),
        (r"score must return a real scalar, got .* shape \(3,\)", lambda: sweep.successive_halving(VECTOR, MANY, KEY, steps=1)),
        ("score must return a real scalar", lambda: sweep.population(VECTOR, MANY, KEY, rounds=1, steps=1)),
        ("score must return a real scalar", lambda: sweep.hypergradient(VECTOR, gx.sgd(0.1), KEY, rounds=1, steps=1)),
        ("factor at least 2", lambda: sweep.successive_halving(RUN, MANY, KEY, steps=1, factor=1)),
        ("max_steps must be at least 1", lambda: sweep.hyperband(RUN, lambda key, n: MANY, KEY, max_steps=0)),
        ("at most half", lambda: sweep.population(RUN, MANY, KEY, rounds=1, steps=1, exploit=0.9)),
        ("no number of the optimizer is called 'lr'. There are: learning_rate", lambda: evolved(explore="lr")),
        ("rounds and steps must be at least 1", lambda: sweep.hypergradient(RUN, gx.sgd(0.1), KEY, rounds=0, steps=1)),
    ],
)
def test_errors_teach(message, act):
    with pytest.raises((ValueError, TypeError), match=message):
        act()


def test_a_round_that_overflows_is_taken_back():
    """The fourth power from a point where the rate is too large by far: the carry stays finite, and so do the scores that follow."""

    def steep(tx, carry, key):
        updates, state = tx.update(jax.grad(lambda w: jnp.sum(w**4))(carry[0]), carry[1], carry[0])
        return gx.apply_updates(carry[0], updates), state

    run = sweep.Run(lambda tx, key: (jnp.full(2, 3.0), tx.init(jnp.zeros(2))), steep, lambda tx, carry: jnp.sum(carry[0] ** 4))
    found = sweep.hypergradient(run, gx.sgd(0.8), KEY, rounds=3, steps=8)
    assert not jnp.any(jnp.isfinite(found.scores))
    assert jnp.array_equal(found.carry[0], jnp.full(2, 3.0))
    assert found.optimizer.learning_rate == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("rounds", lambda: sweep.population(RUN, MANY, KEY, rounds=2.5, steps=1)),
        ("steps", lambda: sweep.hypergradient(RUN, gx.sgd(0.1), KEY, rounds=1, steps=1.5)),
        ("factor", lambda: sweep.successive_halving(RUN, MANY, KEY, steps=2, factor=2.0)),
        ("max_steps", lambda: sweep.hyperband(RUN, None, KEY, max_steps=9.5)),
        ("n", lambda: sweep.sample(gx.sgd, KEY, 2.5, learning_rate=sweep.uniform(0.0, 1.0))),
    ],
)
def test_counts_are_whole(name, call):
    with pytest.raises(ValueError, match=f": {name} must be a whole number, got .*5?"):
        call()


def test_small_numbers_are_explored_by_their_factors_and_decays_stay_within_their_range():
    many = sweep.grid(gx.adam, learning_rate=[0.1, 0.2, 0.3, 0.4, 0.5])
    eps = np.asarray(sweep.population(RUN, many, KEY, rounds=2, steps=2, exploit=0.4, explore="eps").history.eps)
    assert {round(float(number) / 1e-8, 3) for number in eps.ravel()} <= {0.8, 1.0, 1.25}
    assert len(set(eps.ravel())) > 1
    lions = sweep.grid(gx.lion, learning_rate=0.01, b2=[0.1, 0.15, 0.2, 0.5, 0.6, 0.7])
    found = sweep.population(RUN, lions, KEY, rounds=6, steps=2, exploit=0.5, explore="b2")
    assert np.all(np.asarray(found.history.b2) > 0)
    assert np.all(np.isfinite(found.scores))
