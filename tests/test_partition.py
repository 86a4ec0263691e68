"""Different transformations for different leaves."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradtx as gx
from gradtx.testing._laws.values import every_name
from tests.cases import make_params, step

PARAMS = make_params()
GROUPS = {"s": gx.sgd(0.1, gx.trace(0.9)), "w": gx.adam(0.1), "b": gx.chain(gx.clip_by_global_norm(0.1), gx.lion(0.1))}
THREE = gx.partition(("s", GROUPS["s"]), (lambda path, leaf: leaf.ndim == 2, GROUPS["w"]), (None, GROUPS["b"]))


def trained(tx, params, steps=4):
    state = tx.init(params)
    for _ in range(steps):
        grads = jax.grad(lambda p: sum(jnp.sum(jnp.sin(leaf)) for leaf in jax.tree.leaves(p)))(params)
        updates, state = tx.update(grads, state, params)
        params = gx.apply_updates(params, updates)
    return params


def test_each_leaf_trains_as_it_would_alone():
    together = trained(THREE, PARAMS)
    for name, tx in GROUPS.items():
        alone = trained(tx, {name: PARAMS[name]})
        chex.assert_trees_all_close(together[name], alone[name], rtol=1e-6)


def test_a_group_remembers_its_own_leaves_alone():
    state = THREE.init(PARAMS)
    assert set(state) == {"step", "partition"}
    assert set(state["partition"]) == {"sgd", "adam", "chain"}
    assert set(state["partition"]["chain"]) == {"lion"}
    held = {name: jax.tree.leaves(group) for name, group in state["partition"].items()}
    assert [leaf.shape for leaf in held["sgd"]] == [()]
    assert {leaf.shape for leaf in held["adam"]} == {(4, 3), ()}


def test_a_leaf_that_two_groups_choose_is_refused():
    tx = gx.partition(("[sw]", gx.scale(2.0)), ("[wb]", gx.scale(3.0)))
    with pytest.raises(ValueError, match=r"partition: groups 1 and 2 both choose w\. Let one choose less, or choose by roles"):
        tx.init(PARAMS)


def test_learning_rates_of_their_own_for_some_leaves():
    rates = gx.partition(("w", gx.scale(10.0)), (None, gx.identity()))
    tx = gx.chain(gx.scale_by_momentum(gx.ema(0.9)), rates, gx.scale_by_learning_rate(0.1))
    plain = gx.chain(gx.scale_by_momentum(gx.ema(0.9)), gx.scale_by_learning_rate(0.1))
    updates = [which.update(PARAMS, which.init(PARAMS), PARAMS)[0] for which in (tx, plain)]
    np.testing.assert_allclose(updates[0]["w"], 10 * updates[1]["w"], rtol=1e-6)
    np.testing.assert_array_equal(updates[0]["b"], updates[1]["b"])


def test_what_is_masked_out_passes_as_it_is():
    tx = gx.masked("w", gx.adam(0.1))
    updates, state = tx.update(PARAMS, tx.init(PARAMS), PARAMS)
    np.testing.assert_array_equal(updates["b"], PARAMS["b"])
    assert not np.allclose(updates["w"], PARAMS["w"])
    assert {leaf.shape for leaf in jax.tree.leaves(state)} == {(4, 3), ()}


def test_the_gradient_behind_the_updates_passes_through_the_groups():
    """Momentum for each group apart and one RMS behind them is Adam."""
    momentum, rms = gx.scale_by_momentum(gx.bias_correction(gx.ema(0.9))), gx.scale_by_rms(gx.bias_correction(gx.ema(0.999)), 1e-8)
    tx = gx.chain(gx.partition(("w", momentum), (None, momentum)), rms, gx.scale_by_learning_rate(0.1))
    chex.assert_trees_all_close(trained(tx, PARAMS), trained(gx.adam(0.1), PARAMS), rtol=1e-6)


def test_groups_without_state_leave_no_trace_and_equal_ones_are_numbered():
    assert gx.partition(("w", gx.scale(2.0)), (None, gx.identity())).init(PARAMS) == {"step": 0}
    twins = gx.partition(("w", gx.adam(0.1)), (None, gx.adam(0.2)))
    assert set(twins.init(PARAMS)["partition"]) == {"adam", "adam_2"}


def test_a_partition_is_a_value():
    tx = gx.partition(("s", gx.sgd(0.1)), (None, gx.adam(0.2)))
    assert gx.from_spec(gx.to_spec(tx)) == tx
    assert eval(repr(tx), every_name()) == tx
    assert jax.tree.leaves(jax.tree.map(lambda leaf: 2 * leaf, tx))[0] == 0.2
    rates = jnp.array([0.1, 0.2])
    many = jax.vmap(lambda rate: trained(tx.replace(groups=(("s", gx.sgd(rate)), (None, gx.adam(0.2)))), PARAMS))(rates)
    np.testing.assert_allclose(many["s"][0], trained(tx, PARAMS)["s"], rtol=1e-6)
    np.testing.assert_array_equal(many["b"][0], many["b"][1])


def test_a_group_may_keep_other_parameters_to_evaluate_at():
    averaged = gx.average(gx.sgd(0.1), 0.5)
    for tx in (gx.partition(("w", averaged), (None, gx.adam(0.1))), gx.masked("w", averaged)):
        params, state = PARAMS, tx.init(PARAMS)
        for _ in range(3):
            params, state, _ = step(tx, params, state)
        seen = gx.eval_params(tx, params, state)
        assert not np.allclose(seen["w"], params["w"])
        np.testing.assert_array_equal(seen["b"], params["b"])


ERRORS = {
    "no group": (lambda: gx.partition(("w", gx.sgd(0.1))).init(PARAMS), "partition: no group chooses b, s. Add a last group for all"),
    "misspelling": (lambda: gx.partition(("v", gx.sgd(0.1)), (None, gx.adam(0.1))).init(PARAMS), "where='v' matches no leaf"),
    "no pair": (lambda: gx.partition(gx.sgd(0.1)), "partition: groups[0] must be a pair of a choice of leaves and a transformation"),
    "a dict": (lambda: gx.partition({"w": gx.sgd(0.1)}), 'Write ("*/embedding", adamw(1e-3)); the last pair takes what is left'),
    "swapped": (lambda: gx.partition((gx.sgd(0.1), "w")), "are two arguments swapped?"),
    "a factory": (lambda: gx.partition(("w", gx.sgd)), "is the factory sgd, not a transformation. Call it"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name):
    make, text = ERRORS[name]
    with pytest.raises((TypeError, ValueError)) as raised:
        make()
    assert text in str(raised.value)


def test_a_step_trains_every_group():
    params, _, _ = step(THREE, PARAMS, THREE.init(PARAMS))
    assert all(jnp.any(params[name] != PARAMS[name]) for name in PARAMS)
