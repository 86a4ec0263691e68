"""The updates and the gradient behind them, through scopes and wrappers."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradtx as gx
from tests.cases import make_params, step

PARAMS = make_params()
FACTOR = 0.5


@gx.transformation
def halved(inner: gx.GradientTransformation):
    """A wrapper of a user that knows nothing of the flow: half the updates go in, what comes out is doubled."""

    def update(updates, state, params=None):
        moved, state = inner.update(jax.tree.map(lambda u: FACTOR * u, updates), state, params)
        return jax.tree.map(lambda u: u / FACTOR, moved), state

    return inner.init, update


@gx.transformation
def every_other(inner: gx.GradientTransformation):
    """A wrapper that runs what it wraps in one branch of a condition."""

    def update(updates, state, params=None, *, flow, step):
        return jax.lax.cond(step % 2 == 0, lambda: inner.carry(flow, state, params), lambda: (idle(flow), state))

    def idle(flow):
        nothing = jax.tree.map(jnp.zeros_like, flow)
        return gx.Flow(nothing.updates, nothing.gradient, {"average": nothing.updates}, averaged=True)

    return inner.init, update


@gx.transformation
def guarded_adam(learning_rate: gx.LearningRate):
    return gx.skip_nonfinite(gx.chain(*direction(0.9, 0.99), gx.scale_by_learning_rate(learning_rate)))


def direction(b1, b2):
    return gx.scale_by_momentum(gx.bias_correction(gx.ema(b1))), gx.scale_by_rms(gx.bias_correction(gx.ema(b2)), 1e-3)


def run(tx, steps=4):
    params, state = PARAMS, tx.init(PARAMS)
    for _ in range(steps):
        params, state, updates = step(tx, params, state)
    return updates


CLIP = gx.clip_by_global_norm(0.7)
MOMENTUM, RMS = direction(0.8, 0.9)
WRAPPERS = {
    "named": lambda tx: gx.named("mine", tx),
    "skip_nonfinite": gx.skip_nonfinite,
    "freeze": lambda tx: gx.freeze(lambda path, leaf: False, tx),
    "skip_spikes": lambda tx: gx.skip_spikes(tx, 1e9),
    "every": lambda tx: gx.every(1, tx),
    "average": gx.average,
    "uniform_average": gx.uniform_average,
}


@pytest.mark.parametrize("name", WRAPPERS)
@pytest.mark.parametrize("last", [RMS, gx.scale_by_rms(gx.ema(0.9), 1e-3, of="deviation")], ids=["of gradient", "of deviation"])
def test_a_wrapper_around_some_parts_changes_nothing(name, last):
    wrap = WRAPPERS[name]
    flat = run(gx.chain(CLIP, MOMENTUM, last))
    for same in (
        gx.chain(wrap(CLIP), MOMENTUM, last),
        gx.chain(wrap(gx.chain(CLIP, MOMENTUM)), last),
        gx.chain(CLIP, wrap(MOMENTUM), last),
        gx.chain(CLIP, wrap(wrap(MOMENTUM)), wrap(last)),
        gx.chain(CLIP, MOMENTUM, wrap(last)),
        wrap(gx.chain(CLIP, MOMENTUM, last)),
    ):
        chex.assert_trees_all_close(run(same), flat, rtol=1e-6)


def test_behind_a_frozen_average_the_gradient_is_zero():
    tx = gx.chain(gx.freeze("w", gx.chain(CLIP, MOMENTUM)), RMS)
    updates = run(tx)
    np.testing.assert_array_equal(updates["w"], 0)
    assert all(bool(jnp.any(updates[name] != 0)) for name in "bs")


def test_behind_a_skipped_step_the_gradient_is_zero():
    tx = gx.chain(gx.skip_nonfinite(MOMENTUM), RMS)
    state = tx.init(PARAMS)
    _, state = tx.update({**PARAMS, "s": jnp.array(jnp.nan)}, state, PARAMS)
    updates, state = tx.update(PARAMS, state, PARAMS)
    assert all(bool(jnp.all(jnp.isfinite(leaf))) for leaf in jax.tree.leaves((updates, state)))


def test_the_gradient_follows_what_a_wrapper_hands_in():
    tx = gx.chain(halved(gx.chain(MOMENTUM, RMS)))
    by_hand = gx.chain(gx.scale(FACTOR), MOMENTUM, RMS, gx.scale(1 / FACTOR))
    chex.assert_trees_all_close(run(tx), run(by_hand), rtol=1e-6)


def test_a_wrapper_may_run_its_inner_part_under_a_condition():
    tx = gx.chain(every_other(MOMENTUM), RMS)
    state = tx.init(PARAMS)
    first, state = tx.update(PARAMS, state, PARAMS)
    chex.assert_trees_all_close(first, gx.chain(MOMENTUM, RMS).update(PARAMS, gx.chain(MOMENTUM, RMS).init(PARAMS))[0], rtol=1e-6)
    second, _ = jax.jit(tx.update)(PARAMS, state, PARAMS)
    chex.assert_trees_all_equal(second, jax.tree.map(jnp.zeros_like, PARAMS))


def test_plain_descent_averages_nothing():
    tx = gx.chain(gx.sgd(0.5), gx.clip(0.1), RMS)
    chex.assert_trees_all_close(run(tx), run(gx.chain(gx.scale(-0.5), gx.clip(0.1), RMS)), rtol=1e-6)


def test_a_wrapper_around_a_chain_is_a_scope():
    traced = gx.trace(0.9)
    state, guarded, plain = traced.init(PARAMS), guarded_adam(0.1), gx.chain(*direction(0.9, 0.99), gx.scale_by_learning_rate(0.1))
    both = gx.chain(traced, guarded)
    both_state, plain_state = both.init(PARAMS), plain.init(PARAMS)
    for k in range(3):
        grads = jax.tree.map(lambda p, k=k: p * (k + 1.0), PARAMS)
        found, both_state = both.update(grads, both_state)
        trace, state = traced.update(grads, state)
        expected, plain_state = plain.update(trace, plain_state)
        chex.assert_trees_all_close(found, expected, rtol=1e-6)


def test_a_flow_of_another_structure_is_refused():
    @gx.transformation
    def loses_a_leaf(inner: gx.GradientTransformation):
        def update(updates, state, params=None, *, flow):
            moved, state = inner.carry(flow, state, params)
            return gx.Flow(moved.updates, {"w": moved.gradient["w"]}, moved.published, moved.averaged), state

        return inner.init, update

    tx = loses_a_leaf(MOMENTUM)
    with pytest.raises(ValueError, match="loses_a_leaf returned a gradient behind its updates of another structure: missing: b, s"):
        tx.update(PARAMS, tx.init(PARAMS))
    with pytest.raises(TypeError, match=r"adam: carry is for the body of a wrapper"):
        gx.adam(0.1).carry(gx.Flow(PARAMS, PARAMS), gx.adam(0.1).init(PARAMS))


COMPLEX = {"w": jnp.array([1 + 2j, 3 - 1j]), "b": jnp.ones(2, jnp.bfloat16), "c": {"real": jnp.ones(3)}}


def decayed(where):
    tx = gx.add_decayed_weights(1.0, where)
    updates, _ = tx.update(jax.tree.map(jnp.zeros_like, COMPLEX), tx.init(COMPLEX), COMPLEX)
    return {name for name, leaf in zip("bcw", jax.tree.leaves(updates), strict=True) if bool(jnp.all(leaf != 0))}


def test_where_sees_the_leaves_of_the_user():
    assert decayed("w") == {"w"}
    assert decayed("c/*") == {"c"}
    assert decayed(lambda path, leaf: leaf.dtype == jnp.bfloat16) == {"b"}
    assert decayed(lambda path, leaf: jnp.issubdtype(leaf.dtype, jnp.complexfloating)) == {"w"}
    assert decayed(lambda path, leaf: leaf.shape == (2,)) == {"w", "b"}
    with pytest.raises(ValueError, match=r"add_decayed_weights: where='w/\*' matches no leaf; the paths are b, c/real, w\."):
        decayed("w/*")


def test_freezing_by_dtype_needs_the_parameters():
    tx = gx.freeze(lambda path, leaf: leaf.dtype == jnp.bfloat16, gx.trace(0.9))
    state = tx.init(COMPLEX)
    wide = {**COMPLEX, "b": COMPLEX["b"].astype(jnp.float32)}
    updates, _ = tx.update(wide, state, COMPLEX)
    np.testing.assert_array_equal(updates["b"], 0)
    with pytest.raises(ValueError, match=r"freeze chooses leaves by their dtype, so it needs the parameters: call update\("):
        tx.update(wide, state)
    by_shape = gx.freeze(lambda path, leaf: leaf.ndim == 1, gx.trace(0.9))
    by_shape.update(COMPLEX, by_shape.init(COMPLEX))


@pytest.mark.parametrize("params", [{}, (), {"n": None}], ids=str)
def test_an_average_is_one_on_an_empty_tree_too(params):
    tx = gx.chain(gx.scale_by_momentum(gx.ema(0.9)), gx.scale_by_rms(gx.ema(0.9), 1e-3, of="deviation"))
    updates, _ = tx.update(params, tx.init(params), params)
    assert updates == params


HUGE = [1e16, 1e18, 1e25, 1e38]
BOUNDED = {
    "adam": gx.adam(1.0),
    "rmsprop": gx.rmsprop(1.0, 0.0),
    "centered_rmsprop": gx.chain(gx.scale_by_stddev(gx.ema(0.5), 1e-8), gx.scale(-1.0)),
    "adagrad": gx.adagrad(1.0),
    "laprop": gx.laprop(1.0),
    "nadam": gx.nadam(1.0),
}


@pytest.mark.parametrize("size", HUGE)
@pytest.mark.parametrize("name", BOUNDED)
def test_a_huge_gradient_makes_no_huge_step(name, size):
    tx, gradient = BOUNDED[name], jnp.array([size, 1.0])
    first, state = tx.update(gradient, tx.init(gradient))
    second, _ = tx.update(jnp.ones(2), state)
    for updates in (first, second):
        assert bool(jnp.all(jnp.isfinite(updates)))
        assert bool(jnp.all(jnp.abs(updates) < 5))


@pytest.mark.parametrize("size", [10.0, 1e20, 1e37])
@pytest.mark.parametrize("tx", [gx.clip_by_global_norm(1.0), gx.clip_by_block_rms(1.0)], ids=["norm", "rms"])
def test_clipping_is_exact_where_squares_overflow(tx, size):
    gradient = size * jnp.array([1.0, -1.0, 1.0, 0.0, 1.0])
    updates, _ = tx.update(gradient, tx.init(gradient))
    small, _ = tx.update(2 * (gradient / size), tx.init(gradient))
    np.testing.assert_allclose(updates, small, rtol=1e-5)


def test_clipping_of_mixed_dtypes_is_exact():
    with jax.enable_x64(True):
        gradient = {"a": jnp.full(2, 1e200), "b": jnp.full(2, 1e38, jnp.float32)}
        tx = gx.clip_by_global_norm(1.0)
        updates, _ = tx.update(gradient, tx.init(gradient))
        np.testing.assert_allclose(updates["a"], 0.5**0.5, rtol=1e-6)
