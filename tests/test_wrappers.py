"""What combinators and wrappers promise, against numbers worked out by hand."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import gradtx as gx
from tests.cases import loss, make_params, train

PARAMS = make_params()
ZEROS = jax.tree.map(jnp.zeros_like, PARAMS)


def times(factor):
    return jax.tree.map(lambda leaf: factor * jnp.ones_like(leaf), PARAMS)


def run(tx, gradients, params=PARAMS, **extras):
    """The updates at each of some gradients, and the state."""
    state, rows = tx.init(params), []
    for gradient in gradients:
        updates, state = tx.update(gradient, state, params, **extras)
        rows.append(updates)
    return rows, state


def test_accumulated_micro_batches_are_one_batch_to_the_last_digit():
    """Ragged micro-batches with their numbers of examples are the mean over all examples."""
    with jax.enable_x64(True):
        rng = np.random.default_rng(0)
        sizes, examples = [7, 1, 3, 2, 5, 4], rng.normal(size=(22, 5))
        batches = np.split(examples, np.cumsum(sizes)[:-1])
        params = jnp.zeros(5)
        tx = gx.accumulate(gx.adam(0.1), 3)
        plain = gx.adam(0.1)
        state, plain_state, found, expected = tx.init(params), plain.init(params), [], []
        for batch in batches:
            updates, state = tx.update(jnp.asarray(batch.mean(0)), state, params, examples=len(batch))
            found.append(updates)
        for whole in (examples[:11], examples[11:]):
            updates, plain_state = plain.update(jnp.asarray(whole.mean(0)), plain_state, params)
            expected += [np.zeros(5), np.zeros(5), updates]
        np.testing.assert_allclose(found, expected, rtol=1e-12)
        unweighted, _ = run(tx, [jnp.asarray(batch.mean(0)) for batch in batches], params)
        assert np.max(np.abs(unweighted[5] - expected[5])) > 1e-3


def test_accumulation_without_weights_is_that_of_optax():
    tx, theirs = gx.accumulate(gx.sgd(0.1, gx.trace(0.9)), 2), optax.MultiSteps(optax.sgd(0.1, 0.9), 2)
    gradients = [times(float(k)) for k in (1, -3, 2, 5, 1, 0)]
    state, expected = theirs.init(PARAMS), []
    for gradient in gradients:
        updates, state = theirs.update(gradient, state, PARAMS)
        expected.append(updates)
    chex.assert_trees_all_close(run(tx, gradients)[0], expected, rtol=1e-6)


def roots(jaxpr, inside=False):
    """How many square roots a program takes outside of conditions, and in each branch of each."""
    count, branches = 0, []
    for eqn in jaxpr.eqns:
        count += eqn.primitive.name == "sqrt"
        if eqn.primitive.name == "cond":
            branches += [roots(branch.jaxpr)[0] for branch in eqn.params["branches"]]
            continue
        for value in jax.tree.leaves(list(eqn.params.values()), is_leaf=lambda leaf: hasattr(leaf, "eqns") or hasattr(leaf, "jaxpr")):
            within = getattr(value, "jaxpr", value)
            if hasattr(within, "eqns"):
                more, found = roots(within)
                count, branches = count + more, branches + found
    return count, branches


def test_accumulation_is_lazy():
    tx = gx.accumulate(gx.adam(0.1), 4)
    args = PARAMS, tx.init(PARAMS), PARAMS
    outside, branches = roots(jax.make_jaxpr(tx.update)(*args).jaxpr)
    assert outside == 0
    assert sorted(branches) == [0, len(PARAMS)]
    text = jax.jit(tx.update).lower(*args).compile().as_text()
    assert " conditional(" in text
    eager = gx.adam(0.1)
    assert roots(jax.make_jaxpr(eager.update)(PARAMS, eager.init(PARAMS), PARAMS).jaxpr)[0] == len(PARAMS)


def test_micro_steps_may_be_traced_and_swept():
    def final(k):
        return train(gx.accumulate(gx.adam(0.1), k), PARAMS, 6)[0]

    swept = jax.jit(jax.vmap(final))(jnp.array([1.0, 2.0, 3.0]))
    for index, k in enumerate((1, 2, 3)):
        chex.assert_trees_all_close(jax.tree.map(lambda leaf, index=index: leaf[index], swept), final(k), rtol=1e-5)


def test_sums_of_half_precision_gradients_are_wide():
    params = jnp.zeros(1, jnp.bfloat16)
    tx = gx.accumulate(gx.scale(1.0), 300)
    state = tx.init(params)
    assert state["accumulate"]["mean"].dtype == jnp.float32
    gradient = jnp.full(1, 1 / 3, jnp.bfloat16)
    body = jax.jit(lambda state: jax.lax.scan(lambda s, _: tx.update(gradient, s, params)[::-1], state, None, length=300))
    _, updates = body(state)
    assert updates[-1, 0] == gradient[0]


def test_the_schedules_within_count_their_own_steps():
    rate = gx.piecewise_constant_schedule((1.0, 10.0, 100.0), (1, 2))
    ones = [times(1.0)] * 4
    assert [float(u["s"]) for u in run(gx.accumulate(gx.sgd(rate), 2), ones)[0]] == [0, -1, 0, -10]
    assert [float(u["s"]) for u in run(gx.every(2, gx.sgd(rate)), ones)[0]] == [-1, 0, -10, 0]


def test_every_other_step_enters_the_state():
    gradients = [times(float(k)) for k in (1, 100, 2, 100, 3)]
    found, state = run(gx.every(2, gx.trace(0.5)), gradients)
    assert [float(u["s"]) for u in found] == [1, 0, 2.5, 0, 4.25]
    chex.assert_trees_all_close(state["every"]["inner"]["trace"], run(gx.trace(0.5), gradients[::2])[1]["trace"])


def test_accumulating_a_sum_is_apply_every_of_optax():
    theirs = optax.apply_every(3)
    gradients, state, expected = [times(float(k)) for k in (1, 2, 4, 8, 16, 32)], theirs.init(PARAMS), []
    for gradient in gradients:
        updates, state = theirs.update(gradient, state)
        expected.append(updates)
    chex.assert_trees_all_close(run(gx.accumulate(gx.scale(3.0), 3), gradients)[0], expected, rtol=1e-6)


def test_the_part_that_is_not_selected_rests():
    tx = gx.select(lambda step: step < 2, gx.trace(0.5), gx.chain(gx.trace(0.0), gx.scale(10.0)))
    found, _ = run(tx, [times(float(k)) for k in (1, 2, 3, 4)])
    assert [float(u["s"]) for u in found] == [1, 2.5, 30, 40]


def test_a_selection_is_conditionally_transform_of_optax():
    def condition(step, **extras):
        return step % 3 == 1

    theirs = optax.conditionally_transform(optax.trace(0.5), condition)
    gradients, state, expected = [times(float(k)) for k in (1, 2, 3, 4, 5)], theirs.init(PARAMS), []
    for gradient in gradients:
        updates, state = theirs.update(gradient, state)
        expected.append(updates)
    chex.assert_trees_all_close(run(gx.select(condition, gx.trace(0.5), gx.identity()), gradients)[0], expected)


def test_branches_add_up_with_their_weights():
    tx = gx.add(gx.ema(0.5), gx.chain(gx.trace(0.5), gx.scale(2.0)), weights=(3.0, gx.linear_schedule(1.0, 0.0, 2)))
    found, _ = run(tx, [times(4.0), times(8.0)])
    assert [float(u["s"]) for u in found] == [3 * 2 + 1.0 * 2 * 4, 3 * 5 + 0.5 * 2 * 10]
    with pytest.raises(ValueError, match="add: weights has 1 numbers for 2 branches"):
        gx.add(gx.ema(0.5), gx.ema(0.9), weights=(1.0,)).init(PARAMS)


def test_behind_branches_that_average_the_gradient_is_what_came_in():
    two = gx.chain(gx.add(gx.ema(0.9), gx.scale(0.0)), gx.scale_by_rms(gx.ema(0.9), 1e-3))
    one = gx.chain(gx.ema(0.9), gx.scale_by_rms(gx.ema(0.9), 1e-3))
    gradients = [times(1.0), times(3.0), PARAMS]
    chex.assert_trees_all_close(run(two, gradients)[0], run(one, gradients)[0], rtol=1e-6)
    grafted = gx.chain(gx.graft(gx.ema(0.9), gx.ema(0.9)), gx.scale_by_rms(gx.ema(0.9), 1e-3))
    chex.assert_trees_all_close(run(grafted, gradients)[0], run(one, gradients)[0], rtol=1e-5)


@pytest.mark.parametrize("size", [1e-30, 1.0, 1e30])
def test_a_graft_has_one_direction_and_the_other_norm(size):
    gradients = jax.tree.map(lambda leaf: size * leaf, PARAMS)
    (found,), _ = run(gx.graft(gx.sign(), gx.scale(3.0)), [gradients])
    for name, gradient in PARAMS.items():
        expected = 3 * np.linalg.norm(gradient) * np.sign(gradient) / max(np.sqrt(gradient.size), 1)
        np.testing.assert_allclose(found[name] / size, expected, rtol=1e-5)
    (nothing,), _ = run(gx.graft(gx.scale(0.0), gx.identity()), [gradients])
    chex.assert_trees_all_equal(nothing, ZEROS)


def spikes(gradients, factor=3.0, decay=0.5):
    return [float(u["s"]) != 0 for u in run(gx.skip_spikes(gx.sgd(0.1), factor, decay), gradients)[0]]


def test_spikes_are_skipped_and_lasting_rises_let_through():
    assert spikes([times(k) for k in (1.0, 2.0, 100.0, 1.0, jnp.nan, 1.0)]) == [True, True, False, True, False, True]
    assert spikes([times(k) for k in (1.0, 9.0, 9.0, 9.0, 9.0)]) == [True, False, False, True, True]
    assert spikes([times(k) for k in (0.0, 0.0, 1e30, 1.0)]) == [False, False, True, True]


def test_nothing_of_a_spike_enters_the_state():
    tx = gx.skip_spikes(gx.adam(0.1), 3.0)
    calm, spiked = (
        [times(1.0), *middle, times(1.5)]
        for middle in (
            [],
            [times(1e6)],
        )
    )
    (*_, last), state = run(tx, calm)
    (*_, same), other = run(tx, spiked)
    chex.assert_trees_all_equal(last, same)
    chex.assert_trees_all_equal(state["skip_spikes"]["inner"], other["skip_spikes"]["inner"])
    assert state["skip_spikes"]["taken"] == other["skip_spikes"]["taken"] == 2


def test_each_member_skips_its_own_spikes():
    tx = gx.skip_spikes(gx.sgd(0.1), 3.0)
    state = jax.vmap(tx.init)(jnp.ones((3, 2)))
    for sizes in (jnp.ones(3), jnp.array([1.0, 50.0, 2.0])):
        updates, state = jax.vmap(tx.update)(sizes[:, None] * jnp.ones((3, 2)), state, jnp.ones((3, 2)))
    np.testing.assert_allclose(updates[:, 0], [-0.1, 0, -0.2], rtol=1e-6)


def test_sam_takes_the_gradient_at_the_worst_point_nearby():
    curvature = jnp.array([1.0, 10.0, 3.0])

    def bowl(w):
        return 0.5 * jnp.sum(curvature * w["w"] ** 2)

    w = np.array([1.0, -2.0, 0.5])
    gradient = np.asarray(curvature) * w
    tx = gx.chain(gx.sam(0.3), gx.scale(-1.0))
    updates, _ = tx.update({"w": jnp.asarray(gradient, jnp.float32)}, tx.init({"w": jnp.asarray(w)}), {"w": jnp.asarray(w)}, value_fn=bowl)
    expected = -np.asarray(curvature) * (w + 0.3 * gradient / np.linalg.norm(gradient))
    np.testing.assert_allclose(updates["w"], expected, rtol=1e-6)


def guarded(wrap):
    """A scan of training on shards of their own, one of which sees NaN and a spike."""
    mesh = jax.make_mesh((2,), ("x",), axis_types=(jax.sharding.AxisType.Auto,), devices=jax.devices()[:2])
    tx = wrap(gx.adam(0.1))

    def steps(params, gradients):
        def body(carry, gradient):
            params, state = carry
            updates, state = tx.update(gradient, state, params)
            return (gx.apply_updates(params, updates), state), None

        (params, state), _ = jax.lax.scan(body, (params, tx.init(params)), gradients)
        return params, state[wrap.__name__]["taken"][None]

    return jax.jit(jax.shard_map(steps, mesh=mesh, in_specs=(jax.P("x"), jax.P(None, "x")), out_specs=(jax.P("x"), jax.P("x"))))


@pytest.mark.parametrize("wrap", [gx.skip_nonfinite, gx.skip_spikes])
def test_guards_can_be_scanned_within_shard_map(wrap):
    gradients = jnp.ones((4, 4)).at[2, 3].set(jnp.nan)
    params, taken = guarded(wrap)(jnp.zeros(4), gradients)
    assert taken.tolist() == [4, 3]
    np.testing.assert_allclose(params, [-0.4, -0.4, -0.3, -0.3], rtol=1e-5)


@pytest.mark.parametrize("wrap", [gx.skip_nonfinite, gx.skip_spikes])
def test_guards_of_replicated_parameters_stay_replicated(wrap):
    """The decision varies over an axis only if the parameters do: gradients that were averaged decide for all shards."""
    mesh = jax.make_mesh((2,), ("x",), axis_types=(jax.sharding.AxisType.Auto,), devices=jax.devices()[:2])
    tx = wrap(gx.adam(0.1))

    def steps(params, gradients):
        def body(carry, gradient):
            params, state = carry
            updates, state = tx.update(jax.lax.pmean(gradient[0], "x"), state, params)
            return (gx.apply_updates(params, updates), state), None

        return jax.lax.scan(body, (params, tx.init(params)), gradients)[0]

    gradients = jnp.ones((4, 2, 3)).at[2, 1, 0].set(jnp.nan)
    both = jax.jit(jax.shard_map(steps, mesh=mesh, in_specs=(jax.P(), jax.P(None, "x")), out_specs=jax.P()))
    params, state = both(jnp.zeros(3), gradients)
    assert state[wrap.__name__]["taken"] == 3
    np.testing.assert_allclose(params, -0.3, rtol=1e-5)


def test_extras_reach_what_is_wrapped():
    tx = gx.accumulate(gx.chain(gx.sam(0.1), gx.sgd(0.1)), 2)
    (_, updates), _ = run(tx, [jax.grad(loss)(PARAMS)] * 2, value_fn=loss)
    plain = gx.chain(gx.sam(0.1), gx.sgd(0.1))
    chex.assert_trees_all_close(updates, run(plain, [jax.grad(loss)(PARAMS)], value_fn=loss)[0][0], rtol=1e-5)


def test_every_other_step_is_conditionally_mask_of_optax():
    theirs = optax.conditionally_mask(optax.trace(0.5), lambda step, **extras: step % 2 == 0)
    gradients, state, expected = [times(float(k)) for k in (1, 100, 2, 100, 3)], theirs.init(PARAMS), []
    for gradient in gradients:
        updates, state = theirs.update(gradient, state)
        expected.append(updates)
    chex.assert_trees_all_close(run(gx.every(2, gx.trace(0.5)), gradients)[0], expected)
