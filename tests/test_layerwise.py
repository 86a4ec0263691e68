"""What layer-wise scales, parts that look at the gradient, and weight decay promise, in numbers made without gradtx."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradtx as gx

W = {"w": jnp.array([[3.0, 0.0], [0.0, 4.0]]), "b": jnp.array([0.0, 0.0])}
G = {"w": jnp.array([[0.0, 6.0], [8.0, 0.0]]), "b": jnp.array([1.0, -1.0])}


def once(tx, gradients, params=None):
    return tx.update(gradients, tx.init(params if params is not None else gradients), params)[0]


def path(tx, gradients, params):
    state, seen = tx.init(params), []
    for gradient in gradients:
        updates, state = tx.update(gradient, state, params)
        params = gx.apply_updates(params, updates)
        seen.append(updates)
    return np.stack(seen)


GRADIENTS = np.random.default_rng(0).normal(size=(12, 6)).astype("float32")
GRADIENTS[3:6] *= -3
START = jnp.linspace(-2.0, 3.0, 6)


def test_all_leaves_together_are_made_one_long():
    updates = once(gx.normalize_by_update_norm(1e-8), {"a": jnp.array([3.0, 0.0]), "b": jnp.array(4.0)})
    np.testing.assert_allclose([*updates["a"], updates["b"]], [0.6, 0.0, 0.8], rtol=1e-6)
    np.testing.assert_allclose(once(gx.normalize_by_update_norm(5.0), jnp.array([3.0, 4.0])), [0.3, 0.4], rtol=1e-6)
    huge = once(gx.normalize_by_update_norm(1e-8), jnp.array([2e38, 2e38]))
    np.testing.assert_allclose(huge, [0.5**0.5] * 2, rtol=1e-5)
    assert not jnp.any(once(gx.normalize_by_update_norm(1e-8), jnp.zeros(2)))


def test_steps_are_as_long_as_the_weights_but_no_shorter_than_the_floor():
    updates = once(gx.scale_by_param_block_norm(0.1), G, W)
    np.testing.assert_allclose(updates["w"], 5 * G["w"], rtol=1e-6)
    np.testing.assert_allclose(updates["b"], 0.1 * G["b"], rtol=1e-6)


def test_a_trust_ratio_makes_updates_as_large_as_weights_and_leaves_zeros_alone():
    updates = once(gx.scale_by_trust_ratio(0.5), G, W)
    np.testing.assert_allclose(updates["w"], 0.5 * 5 / 10 * G["w"])
    np.testing.assert_array_equal(updates["b"], G["b"])
    np.testing.assert_allclose(once(gx.scale_by_trust_ratio(max_norm=2.0), G, W)["w"], 2 / 10 * G["w"])
    np.testing.assert_allclose(once(gx.scale_by_trust_ratio(min_norm=20.0), G, W)["w"], 20 / 10 * G["w"])
    chosen = once(gx.scale_by_trust_ratio(where="b"), G, W)
    np.testing.assert_array_equal(chosen["w"], G["w"])


def test_a_trust_ratio_of_tiny_updates_is_finite():
    tiny = jax.tree.map(lambda g: g * 1e-18, G)
    np.testing.assert_allclose(once(gx.scale_by_trust_ratio(), tiny, W)["w"], 0.5 * G["w"], rtol=1e-6)


def test_lars_adds_norms_where_the_chain_takes_the_norm_of_the_sum():
    updates = once(gx.scale_by_local_rate(0.5, 0.2), G, W)
    np.testing.assert_allclose(updates["w"], 0.5 * 5 / (10 + 0.2 * 5) * (G["w"] + 0.2 * W["w"]), rtol=1e-6)
    np.testing.assert_allclose(updates["b"], G["b"])


def moved(after, **choice):
    """Adam's directions, in NumPy, before and behind what `after` does to them and the gradients."""
    m = v = 0.0
    for t, g in enumerate(GRADIENTS.astype("float64"), start=1):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        yield after(m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8), g)


def kept(u, g):
    agrees = u * g > 0
    return u * agrees * u.size / (agrees.sum() + 1)


RULES = {"cautious": (gx.cautious(), kept), "grams": (gx.grams(), lambda u, g: np.sign(g) * np.abs(u))}


@pytest.mark.parametrize("name", RULES)
def test_parts_that_look_at_the_gradient_stand_anywhere_behind_the_moments(name):
    part, rule = RULES[name]
    expected = -0.1 * np.stack(list(moved(rule)))
    assert np.any(np.abs(expected + 0.1 * np.stack(list(moved(lambda u, g: u)))) > 0.01)
    moments = (gx.scale_by_momentum(gx.bias_correction(gx.ema(0.9))), gx.scale_by_rms(gx.bias_correction(gx.ema(0.999)), 1e-8))
    rate = gx.scale_by_learning_rate(0.1)
    for tx in (
        gx.chain(*moments, part, rate),
        gx.chain(*moments, rate, part),
        gx.chain(gx.adam(0.1), part),
        gx.chain(gx.skip_nonfinite(gx.adam(0.1)), part),
        gx.chain(gx.chain(gx.clip(100.0), gx.adam(0.1)), gx.chain(part, gx.identity())),
        gx.skip_nonfinite(gx.chain(gx.freeze(lambda path, leaf: False, gx.adam(0.1)), part)),
        gx.chain(gx.named("mine", gx.adam(0.1)), gx.scale(0.5), part, gx.scale(2.0)),
    ):
        np.testing.assert_allclose(path(tx, GRADIENTS, START), expected, rtol=2e-4, atol=1e-6)


def test_the_sign_is_kept_where_the_learning_rate_is_inside_the_momentum():
    """v ← 0.9 v − 0.1 g: flat, the frozen gradient −0.1 g and v both point downhill; behind the scope the gradient points uphill."""

    @gx.transformation
    def inside(learning_rate: gx.LearningRate):
        return gx.chain(gx.scale_by_learning_rate(learning_rate), gx.trace(0.9))

    flat = gx.chain(gx.scale_by_learning_rate(0.1), gx.trace(0.9), gx.grams())
    v, expected = 0.0, []
    for g in GRADIENTS.astype("float64"):
        v = 0.9 * v - 0.1 * g
        expected.append(-np.sign(g) * np.abs(v))
    for tx in (flat, gx.chain(inside(0.1), gx.grams())):
        np.testing.assert_allclose(path(tx, GRADIENTS, START), np.stack(expected), rtol=1e-5)


def test_without_an_average_every_update_agrees():
    np.testing.assert_allclose(once(gx.chain(gx.sgd(0.1), gx.cautious()), START[3:]), -0.1 * START[3:] * 3 / 4, rtol=1e-6)
    np.testing.assert_allclose(once(gx.chain(gx.sgd(0.1), gx.grams()), START), -0.1 * START, rtol=1e-6)


def directions():
    return (g for g in (np.array([0.3, -0.2, 0.1, 0.5, -0.4, 0.2]) * k for k in (1, -1, 2)))


def weights_after(step):
    x = np.asarray(START, "float64")
    for g in directions():
        x = step(x, g)
    return x


POLICIES = {
    "coupled": (gx.chain(gx.add_decayed_weights(0.2), gx.sgd(0.1)), lambda x, g: x - 0.1 * (g + 0.2 * x)),
    "decoupled": (
        gx.chain(gx.sign(), gx.add_decayed_weights(0.2), gx.scale_by_learning_rate(0.1)),
        lambda x, g: x - 0.1 * (np.sign(g) + 0.2 * x),
    ),
    "independent": (gx.chain(gx.sgd(0.1), gx.subtract_decayed_weights(0.2)), lambda x, g: x - 0.1 * g - 0.2 * x),
    "cautious": (
        gx.chain(gx.cautious_weight_decay(gx.add_decayed_weights(0.2)), gx.scale_by_learning_rate(0.1)),
        lambda x, g: x - 0.1 * (g + 0.2 * x * (g * x >= 0)),
    ),
    "cautious, independent": (
        gx.chain(gx.sgd(0.1), gx.cautious_weight_decay(gx.subtract_decayed_weights(0.2))),
        lambda x, g: x - 0.1 * g - 0.2 * x * (g * x >= 0),
    ),
    "scheduled": (
        gx.chain(gx.sgd(0.1), gx.subtract_decayed_weights(gx.piecewise_constant_schedule((0.2, 0.2), (1,)))),
        lambda x, g: x - 0.1 * g - 0.2 * x,
    ),
}


@pytest.mark.parametrize("name", POLICIES)
def test_decay_policies(name):
    tx, step = POLICIES[name]
    x, state = START, tx.init(START)
    for g in directions():
        updates, state = tx.update(jnp.asarray(g, "float32"), state, x)
        x = gx.apply_updates(x, updates)
    np.testing.assert_allclose(x, weights_after(step), rtol=1e-5)


def test_what_points_downhill_is_refused_before_a_learning_rate():
    with pytest.raises(ValueError, match=r"^chain: part 1, subtract_decayed_weights.* stands before the learning rate of part 2, adam"):
        gx.chain(gx.cautious_weight_decay(gx.subtract_decayed_weights(0.1)), gx.adam(0.1))
    with pytest.raises(ValueError, match=r"stands behind the learning rate"):
        gx.chain(gx.adam(0.1), gx.cautious_weight_decay(gx.add_decayed_weights(0.1)))


def test_each_unit_is_clipped_by_its_own_weights():
    params = {"w": jnp.array([[3.0, 0.1], [4.0, 0.0]]), "b": jnp.array([0.0, 0.0])}
    gradient = {"w": jnp.array([[6.0, 0.03], [8.0, 0.04]]), "b": jnp.array([3.0, 4.0])}
    updates = once(gx.adaptive_grad_clip(0.5, 1e-3), gradient, params)
    np.testing.assert_allclose(updates["w"], [[6 * 0.25, 0.03], [8 * 0.25, 0.04]], rtol=1e-6)
    np.testing.assert_allclose(updates["b"], gradient["b"] * 5e-4 / 5, rtol=1e-6)
    by_rows = once(gx.adaptive_grad_clip(0.5, output_axis=0), gradient, params)["w"]
    np.testing.assert_allclose(by_rows[1], np.array([8.0, 0.04]) * 2 / np.hypot(8, 0.04), rtol=1e-6)
    with pytest.raises(ValueError, match=r"adaptive_grad_clip: output_axis=2 is no axis of the leaf at w"):
        gx.adaptive_grad_clip(0.5, output_axis=2).init(params)


def test_clipping_by_leaf_shrinks_the_large_leaf_alone():
    updates = once(gx.clip_by_block_norm(2.0), G)
    np.testing.assert_allclose(updates["w"], G["w"] / 5, rtol=1e-6)
    np.testing.assert_allclose(updates["b"], G["b"], rtol=1e-6)


def test_the_norm_grows_by_a_factor_at_most():
    tx, norms = gx.limit_norm_growth(1.5), []
    state = tx.init(jnp.zeros(2))
    for size in (1.0, 10.0, 10.0, 0.5, 0.0, 7.0):
        updates, state = tx.update(size * jnp.array([0.6, -0.8]), state)
        norms.append(float(jnp.linalg.norm(updates)))
    np.testing.assert_allclose(norms, [1.0, 1.5, 2.25, 0.5, 0.0, 7.0], rtol=1e-6)


def test_the_correction_of_variance_is_nothing_at_first():
    tx = gx.reduce_variance(0.9, 0.5)
    state = tx.init(START)
    first, state = tx.update(START, state)
    second, _ = tx.update(2 * START, state)
    np.testing.assert_array_equal(first, START)
    np.testing.assert_allclose(second, 2 * START + 0.5 * 9 * START, rtol=1e-5)


def test_fromage_keeps_the_norm_of_a_step_at_right_angles():
    w, g = jnp.array([3.0, 4.0]), jnp.array([-4.0, 3.0])
    assert float(jnp.linalg.norm(gx.apply_updates(w, once(gx.fromage(0.3), g, w)))) == pytest.approx(5.0, rel=1e-6)
    assert float(jnp.linalg.norm(gx.apply_updates(w, once(gx.fromage(1e-3), g, w)))) == pytest.approx(5.0, rel=1e-6)
