"""What `observe` leaves in the state, and `observations` reads."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import gradtx as gx

W, G = jnp.array([3.0, 4.0]), jnp.array([6.0, 8.0])


def seen(tx, gradients, params=W):
    state = tx.init(params)
    for gradient in gradients:
        _, state = tx.update(gradient, state, params)
    return {name: float(value) for name, value in gx.observations(state).items()}


def test_measures_see_the_updates_and_the_gradient_at_their_place():
    tx = gx.chain(
        gx.observe("raw", gx.update_norm),
        gx.clip_by_global_norm(5.0),
        gx.observe("clipped", gx.gradient_norm),
        gx.adam(0.1),
        gx.observe("gradient", gx.gradient_norm),
        gx.observe("ratio", gx.update_to_parameter_ratio),
        gx.observe("cosine", gx.update_gradient_cosine),
        gx.observe("largest", lambda updates, gradient, params: jnp.max(jnp.abs(updates))),
    )
    found = seen(tx, [G])
    expected = {"raw": 10.0, "clipped": 5.0, "gradient": 5.0, "ratio": 0.1 * 2**0.5 / 5, "cosine": -1.4 / 2**0.5, "largest": 0.1}
    assert found == pytest.approx(expected, rel=1e-5)


def test_a_moment_counts_or_smooths():
    counting = gx.chain(gx.observe("skipped", gx.nonfinite, gx.running_sum()), gx.skip_nonfinite(gx.adam(0.1)))
    assert seen(counting, [G, jnp.nan * G, G, jnp.inf * G]) == {"skipped": 2.0}
    smooth = gx.observe("norm", gx.update_norm, gx.bias_correction(gx.ema(0.5)))
    assert seen(smooth, [G, 3 * G])["norm"] == pytest.approx((10 * 0.25 + 30 * 0.5) / 0.75)


def test_the_updates_are_those_without_it():
    bare, observed = gx.adam(0.1), gx.chain(gx.observe("a", gx.update_norm), gx.adam(0.1), gx.observe("b", gx.update_norm))
    np.testing.assert_array_equal(bare.update(G, bare.init(W), W)[0], observed.update(G, observed.init(W), W)[0])


def test_it_works_under_scan_and_vmap():
    tx = gx.chain(gx.observe("norm", gx.update_norm), gx.sgd(0.1))

    def run(gradient):
        def step(state, _):
            _, state = tx.update(gradient, state, W)
            return state, gx.observations(state)["norm"]

        return jax.lax.scan(step, tx.init(W), None, length=3)[1]

    np.testing.assert_allclose(jax.vmap(run)(jnp.stack([G, 2 * G])), [[10.0] * 3, [20.0] * 3], rtol=1e-6)


def test_it_is_found_in_any_wrapper_and_host():
    inside = gx.skip_nonfinite(gx.chain(gx.observe("norm", gx.update_norm), gx.sgd(0.1)))
    assert seen(inside, [G]) == pytest.approx({"norm": 10.0})
    assert seen(optax.chain(optax.scale(2.0), inside), [G]) == pytest.approx({"norm": 20.0})


def test_equal_names_are_told_apart_by_their_path():
    tx = gx.chain(gx.observe("norm", gx.update_norm), gx.scale(2.0), gx.named("later", gx.observe("norm", gx.update_norm)))
    assert seen(tx, [G]) == pytest.approx({"observe/norm": 10.0, "later/observe/norm": 20.0})


def test_a_measure_of_another_shape_and_missing_parameters_are_refused():
    bad = gx.observe("all", lambda updates, gradient, params: updates)
    with pytest.raises(ValueError, match=r"^observe: the measure of 'all' must return a scalar"):
        bad.update(G, bad.init(W), W)
    ratio = gx.observe("ratio", gx.update_to_parameter_ratio)
    with pytest.raises(ValueError, match="needs the parameters"):
        ratio.update(G, ratio.init(W))


def test_measures_of_nothing_are_zero():
    zero = jnp.zeros(2)
    assert gx.update_gradient_cosine(zero, G, W) == gx.update_to_parameter_ratio(G, G, zero) == gx.nonfinite(G, G, W) == 0
