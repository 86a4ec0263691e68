"""What the methods and parts do, against their definitions in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import gradtx as gx
from tests.references import adam as adam_references

EXACT = {"rtol": 1e-12, "atol": 1e-14}
RNG = np.random.default_rng(0)
SERIES = RNG.normal(size=40)


@pytest.fixture(autouse=True)
def double_precision():
    with jax.enable_x64(True):
        yield


@jax.jit
def over_steps(tx, gradients, params=None):
    """The updates of every step, for gradients stacked along the first axis and parameters that stay where they are."""
    first = jax.tree.map(lambda g: g[0], gradients)

    def step(state, gradient):
        updates, state = tx.update(gradient, state, params)
        return state, updates

    return jax.lax.scan(step, tx.init(first if params is None else params), gradients)[1]


def once(tx, updates, params=None, **extras):
    """The updates of the first step."""
    return tx.update(updates, tx.init(updates if params is None else params), params, **extras)[0]


def descend(tx, loss, x, steps):
    """The parameters after every step."""

    @jax.jit
    def run(tx, x):
        def step(carry, _):
            x, state = carry
            updates, state = tx.update(jax.grad(loss)(x), state, x, value_fn=loss)
            x = gx.apply_updates(x, updates)
            return (x, state), x

        return jax.lax.scan(step, (x, tx.init(x)), None, length=steps)[1]

    return jax.tree.map(np.asarray, run(tx, jax.tree.map(jnp.asarray, x)))


def assert_trees_close(ours, theirs, **tolerance):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **(tolerance or EXACT)), ours, theirs)


# Momentum


def rosenbrock(x):
    return (1 - x[0]) ** 2 + 10 * (x[1] - x[0] ** 2) ** 2


def rosenbrock_gradient(x):
    return np.array([-2 * (1 - x[0]) - 40 * x[0] * (x[1] - x[0] ** 2), 20 * (x[1] - x[0] ** 2)])


@pytest.mark.parametrize(("momentum", "weight"), [(gx.trace(0.9), 1.0), (gx.ema(0.9), 0.1)], ids=["trace", "ema"])
def test_nesterov_is_the_look_ahead_form_in_shifted_variables(momentum, weight):
    """The gradient is taken where momentum will carry x; the path of those points is the path of the shifted form."""
    rate, x, v, path = 0.002 / weight, np.array([-1.0, 1.5]), np.zeros(2), []
    for _ in range(60):
        v = 0.9 * v + weight * rosenbrock_gradient(x - rate * 0.9 * v)
        x = x - rate * v
        path.append(x - rate * 0.9 * v)
    start = np.array([-1.0, 1.5])
    np.testing.assert_allclose(descend(gx.sgd(rate, gx.nesterov(momentum)), rosenbrock, start, 60), path, rtol=1e-10)
    assert np.max(np.abs(descend(gx.sgd(rate, momentum), rosenbrock, start, 60) - path)) > 0.01


def test_trace_is_ema_times_a_factor():
    np.testing.assert_allclose(0.1 * over_steps(gx.trace(0.9), SERIES), over_steps(gx.ema(0.9), SERIES), **EXACT)
    heavy, average = gx.sgd(0.01, gx.trace(0.9)), gx.sgd(0.1, gx.ema(0.9))
    np.testing.assert_allclose(over_steps(heavy, SERIES), over_steps(average, SERIES), **EXACT)


@pytest.mark.parametrize("alpha", [0.02, 0.3, 1.0])
def test_ema_is_pandas_ewm(alpha):
    adjusted = gx.bias_correction(gx.ema(1 - alpha))
    from_the_first_value = gx.ema(gx.piecewise_constant_schedule((0.0, 1 - alpha), (1,)))
    ewm = pd.Series(SERIES)
    np.testing.assert_allclose(over_steps(adjusted, SERIES), ewm.ewm(alpha=alpha, adjust=True).mean(), **EXACT)
    np.testing.assert_allclose(over_steps(from_the_first_value, SERIES), ewm.ewm(alpha=alpha, adjust=False).mean(), **EXACT)


def test_ema_halves_a_contribution_in_the_stated_time():
    moment = gx.bias_correction(gx.ema(0.5 ** (1 / 7)))
    np.testing.assert_allclose(over_steps(moment, SERIES), pd.Series(SERIES).ewm(halflife=7).mean(), **EXACT)


DECAYS = np.array([0.3, 0.9, 0.5, 0.0, 0.8] * 8)
CHANGING = gx.join_schedules(tuple(DECAYS.tolist()), tuple(range(1, 40)))


def by_weights(weights):
    """The sum over all earlier inputs, the weight of each given by the decays after it."""
    return np.array([weights(k) @ SERIES[: k + 1] for k in range(SERIES.size)])


def changing_weights(k):
    return np.array([(1 - DECAYS[i]) * np.prod(DECAYS[i + 1 : k + 1]) for i in range(k + 1)])


def age(k):
    return np.arange(k, -1, -1)


# Each moment of SERIES from its definition as a sum or maximum over the past, without a recursion.
MOMENTS = {
    "ema": (gx.ema(0.9), by_weights(lambda k: 0.1 * 0.9 ** age(k))),
    "trace": (gx.trace(0.9), by_weights(lambda k: 0.9 ** age(k))),
    "nesterov trace": (gx.nesterov(gx.trace(0.9)), by_weights(lambda k: 0.9 ** (age(k) + 1) + (age(k) == 0))),
    "running_sum": (gx.running_sum(0.5), 0.5 + np.cumsum(SERIES)),
    "running_max": (gx.running_max(), np.maximum(0, np.maximum.accumulate(SERIES))),
    "running_max of ema": (gx.running_max(gx.ema(0.9)), np.maximum(0, np.maximum.accumulate(by_weights(lambda k: 0.1 * 0.9 ** age(k))))),
    "decaying_max": (gx.decaying_max(0.9), np.array([max(0, np.max(0.9 ** age(k) * SERIES[: k + 1])) for k in range(40)])),
    "ema, changing decay": (gx.ema(CHANGING), by_weights(changing_weights)),
    "corrected ema, changing decay": (
        gx.bias_correction(gx.ema(CHANGING)),
        by_weights(lambda k: changing_weights(k) / np.sum(changing_weights(k))),
    ),
    "corrected trace": (gx.bias_correction(gx.trace(0.9)), by_weights(lambda k: 0.9 ** age(k) / np.sum(0.9 ** age(k)))),
    "corrected sum": (gx.bias_correction(gx.running_sum()), np.cumsum(SERIES) / np.arange(1, 41)),
    "two_rate_average": (
        gx.two_rate_average(0.7, 0.9),
        by_weights(lambda k: np.where(age(k) == 0, 0.3, 0.7 * 0.1 * 0.9 ** (age(k) - 1.0))),
    ),
    "belief_average": (gx.belief_average(0.9, 0.01), by_weights(lambda k: 0.9 ** age(k) / np.sum(0.9 ** age(k))) + 0.1),
}


@pytest.mark.parametrize("name", MOMENTS)
def test_moment_by_its_definition(name):
    moment, expected = MOMENTS[name]
    np.testing.assert_allclose(over_steps(moment, SERIES), expected, rtol=1e-11, atol=1e-13)


# Parts without memory


U = {"matrix": RNG.normal(size=(3, 4)), "cube": RNG.normal(size=(2, 3, 2)), "vector": 2 * RNG.normal(size=5), "scalar": np.array(-1.5)}
P = jax.tree.map(lambda u: RNG.normal(size=u.shape), U)
FACTORS = jax.tree.map(lambda u: RNG.uniform(size=u.shape), U)
NORM = np.sqrt(sum(np.sum(u**2) for u in U.values()))


def leafwise(formula, *trees):
    return jax.tree.map(formula, U, *trees)


def less_mean(u, output_axis):
    inputs = tuple(axis for axis in range(u.ndim) if axis != output_axis % u.ndim) if u.ndim > 1 else ()
    return u - u.mean(inputs, keepdims=True) if inputs else u


PARTS = {
    "identity": (gx.identity(), U),
    "scale": (gx.scale(-2.5), leafwise(lambda u: -2.5 * u)),
    "scale_by_learning_rate": (gx.scale_by_learning_rate(0.1), leafwise(lambda u: -0.1 * u)),
    "sign": (gx.sign(), leafwise(np.sign)),
    "clip": (gx.clip(0.4), leafwise(lambda u: np.clip(u, -0.4, 0.4))),
    "clip_by_global_norm": (gx.clip_by_global_norm(0.5), leafwise(lambda u: u * 0.5 / NORM)),
    "clip_by_global_norm, not reached": (gx.clip_by_global_norm(1.01 * NORM), U),
    "clip_by_block_rms": (gx.clip_by_block_rms(1.2), leafwise(lambda u: u * 1.2 / max(np.sqrt(np.mean(u**2)), 1.2))),
    "centralize": (gx.centralize(), leafwise(lambda u: less_mean(u, -1))),
    "centralize over the first axis": (gx.centralize(0), leafwise(lambda u: less_mean(u, 0))),
    "add_decayed_weights": (gx.add_decayed_weights(0.3), leafwise(lambda u, p: u + 0.3 * p, P)),
    "add_decayed_weights by pattern": (gx.add_decayed_weights(0.3, "*r"), {**U, **{k: U[k] + 0.3 * P[k] for k in ("vector", "scalar")}}),
    "add_decayed_weights by function": (
        gx.add_decayed_weights(0.3, lambda path, leaf: leaf.ndim > 1),
        {**U, **{k: U[k] + 0.3 * P[k] for k in ("matrix", "cube")}},
    ),
    "scale_by_tree": (gx.scale_by_tree(FACTORS), leafwise(np.multiply, FACTORS)),
    "scale_by_tree, prefix": (gx.scale_by_tree(3.0), leafwise(lambda u: 3 * u)),
    "stateless": (gx.stateless(lambda updates: jax.tree.map(jnp.sin, updates)), leafwise(np.sin)),
    "scale_by_rms eps": (gx.scale_by_rms(gx.ema(0.75), 0.1), leafwise(lambda u: u / (np.abs(u) / 2 + 0.1))),
    "scale_by_rms eps_root": (gx.scale_by_rms(gx.ema(0.75), eps_root=0.1), leafwise(lambda u: u / np.sqrt(u**2 / 4 + 0.1))),
    "scale_by_rms floor": (gx.scale_by_rms(gx.ema(0.75), floor=0.5), leafwise(lambda u: u / np.maximum(np.abs(u) / 2, 0.5))),
    "scale_by_rms exponent": (gx.scale_by_rms(gx.running_sum(), 0.1, exponent=0.25), leafwise(lambda u: u / (np.abs(u) ** 0.5 + 0.1))),
    "scale_by_rms all terms": (
        gx.scale_by_rms(gx.running_sum(), 0.1, eps_root=0.2, floor=1.0, exponent=0.3),
        leafwise(lambda u: u / np.maximum((u**2 + 0.2) ** 0.3 + 0.1, 1.0)),
    ),
    "scale_by_abs": (gx.scale_by_abs(gx.decaying_max(0.9), 0.1), leafwise(lambda u: u / (np.abs(u) + 0.1))),
    "scale_by_stddev": (
        gx.scale_by_stddev(gx.ema(0.75), 0.1),
        leafwise(lambda u: u / (np.sqrt(u**2 / 4 - u**2 / 16) + 0.1)),
    ),
    "scale_by_stddev eps_root": (
        gx.scale_by_stddev(gx.ema(0.75), eps_root=0.1),
        leafwise(lambda u: u / np.sqrt(u**2 / 4 - u**2 / 16 + 0.1)),
    ),
}


@pytest.mark.parametrize("name", PARTS)
def test_part_by_its_formula(name):
    tx, expected = PARTS[name]
    assert_trees_close(once(tx, U, P), expected)


def test_stddev_of_a_constant_gradient_is_epsilon():
    """After some steps rounding could make the variance negative; it counts as zero."""
    updates = over_steps(gx.scale_by_stddev(gx.bias_correction(gx.ema(0.9)), 0.5), np.full(200, 0.1))
    np.testing.assert_allclose(updates, 0.1 / 0.5, rtol=1e-6)


def test_zero_nonfinite_replaces_elements():
    given = np.array([1.0, np.nan, -np.inf, np.inf, -2.0])
    np.testing.assert_array_equal(once(gx.zero_nonfinite(), given), [1.0, 0.0, 0.0, 0.0, -2.0])


def test_sign_of_zero_is_zero():
    np.testing.assert_array_equal(once(gx.sign(), np.array([0.0, -0.0, 1e-300])), [0, 0, 1])


NOISE_SIZE = 40_000


@pytest.mark.parametrize("time", [0, 9])
def test_noise_has_the_stated_variance(time):
    zeros = np.zeros((10, NOISE_SIZE))
    noise = np.asarray(over_steps(gx.add_noise(0.25, 0.55, 0), zeros))[time]
    variance = 0.25 / (1 + time) ** 0.55
    deviation_of_variance = variance * np.sqrt(2 / NOISE_SIZE)
    assert abs(np.mean(noise)) < 4 * np.sqrt(variance / NOISE_SIZE)
    assert abs(np.var(noise) - variance) < 4 * deviation_of_variance


def test_noise_differs_by_step_leaf_and_key_and_by_nothing_else():
    zeros = {"a": np.zeros((3, NOISE_SIZE)), "b": np.zeros((3, NOISE_SIZE))}
    noise = over_steps(gx.add_noise(1.0, 0.0, 0), zeros)
    again = over_steps(gx.add_noise(1.0, 0.0, 0), zeros)
    alone = over_steps(gx.add_noise(1.0, 0.0, jax.random.key(0)), {"b": zeros["b"]})
    other = over_steps(gx.add_noise(1.0, 0.0, 1), zeros)
    np.testing.assert_array_equal(noise["a"], again["a"])
    np.testing.assert_array_equal(noise["b"], alone["b"])
    draws = np.stack([noise["a"][0], noise["a"][1], noise["b"][0], other["a"][0]])
    correlation = np.corrcoef(draws) - np.eye(4)
    assert np.max(np.abs(correlation)) < 5 / np.sqrt(NOISE_SIZE)


# Adam and its parts


def adam_parts(rate):
    return (
        gx.scale_by_momentum(gx.bias_correction(gx.ema(0.9))),
        gx.scale_by_rms(gx.bias_correction(gx.ema(0.999)), 1e-8),
        gx.scale_by_learning_rate(rate),
    )


GRADIENTS = jax.tree.map(lambda u: (10.0 ** RNG.uniform(-1, 1, size=u.shape)) * RNG.normal(size=(30, *u.shape)), U)


def test_adam_is_its_three_parts():
    whole, parts = gx.adam(0.1), gx.chain(*adam_parts(0.1))
    state, of_parts = whole.init(U), parts.init(U)
    for k in range(3):
        gradient = jax.tree.map(lambda g, k=k: g[k], GRADIENTS)
        updates, state = whole.update(gradient, state)
        expected, of_parts = parts.update(gradient, of_parts)
        jax.tree.map(np.testing.assert_array_equal, updates, expected)
        jax.tree.map(
            np.testing.assert_array_equal, state, {"step": of_parts["step"], "adam": {k: v for k, v in of_parts.items() if k != "step"}}
        )


def test_the_first_uncorrected_step_is_larger_by_the_stated_factor():
    factor = once(gx.uncorrected_adam(1.0), np.array(2.0)) / once(gx.adam(1.0), np.array(2.0))
    np.testing.assert_allclose(factor, 0.1 / np.sqrt(0.001), rtol=1e-6)


# Scopes: the four rules of what "gradient" means


def relative_difference(a, b):
    """The largest difference of any leaf at any step, relative to the leaf's largest entry."""
    return max(jax.tree.leaves(jax.tree.map(lambda x, y: float(np.max(np.abs(x - y)) / np.max(np.abs(y))), a, b)))


def reference_adam(gradients, **numbers):
    """Adam's updates on given gradients, from its paper."""

    def of_leaf(g):
        zeros = np.zeros(g.shape[1:])
        path = np.stack([zeros, *adam_references.adam(zeros, np.asarray(g), **numbers)])
        return np.diff(path, axis=0)

    return jax.tree.map(of_leaf, gradients)


def clipped(gradients, bound):
    return jax.tree.map(lambda g: np.clip(g, -bound, bound), gradients)


def test_flat_and_nested_chains_are_the_same_optimizer():
    nested = over_steps(gx.chain(gx.clip(0.5), gx.adam(0.1)), GRADIENTS)
    flat = over_steps(gx.chain(gx.clip(0.5), *adam_parts(0.1)), GRADIENTS)
    assert relative_difference(nested, flat) < 1e-13
    assert relative_difference(nested, reference_adam(clipped(GRADIENTS, 0.5), alpha=0.1)) < 1e-10


def test_a_scope_begins_with_what_comes_in():
    """Adam behind a trace is Adam on the traced gradient, its second moment included."""
    traced = over_steps(gx.trace(0.9), GRADIENTS)
    assert relative_difference(over_steps(gx.chain(gx.trace(0.9), gx.adam(0.1)), GRADIENTS), reference_adam(traced, alpha=0.1)) < 1e-10


def test_without_the_scope_the_gradient_stays_behind_the_first_average():
    """The control of the test above: the same parts written flat measure the raw gradient, and that is another method."""
    scoped = over_steps(gx.chain(gx.trace(0.9), gx.adam(0.1)), GRADIENTS)
    flat = over_steps(gx.chain(gx.trace(0.9), *adam_parts(0.1)), GRADIENTS)
    assert relative_difference(flat, scoped) > 0.5


def test_measuring_the_averaged_gradient_is_far_from_adam():
    momentum, _, rate = adam_parts(0.1)
    averaged = gx.chain(momentum, gx.scale_by_rms(gx.bias_correction(gx.ema(0.999)), 1e-8, of="updates"), rate)
    assert relative_difference(over_steps(averaged, GRADIENTS), reference_adam(GRADIENTS, alpha=0.1)) > 0.5


def test_measuring_the_unclipped_gradient_is_far_from_adam_on_the_clipped():
    expected = reference_adam(clipped(GRADIENTS, 0.5), alpha=0.1)
    assert relative_difference(reference_adam(GRADIENTS, alpha=0.1), expected) > 0.5


behind = gx.stateless(lambda updates, *, gradient: gradient)
averaged_before = (gx.clip(0.5), gx.trace(0.9), gx.scale(2.0))

# A chain whose last part hands on the gradient behind the updates, and what that should be for one gradient g.
BEHIND = {
    "nothing before": (gx.chain(behind), lambda g: g),
    "parts that rewrite": (gx.chain(gx.clip(0.5), gx.scale(2.0), behind), lambda g: 2 * np.clip(g, -0.5, 0.5)),
    "division by rms rewrites": (gx.chain(gx.scale_by_rms(gx.running_sum(), 1.0), behind), lambda g: g / (np.abs(g) + 1)),
    "an average freezes": (gx.chain(gx.clip(0.5), gx.trace(0.9), gx.scale(2.0), behind), lambda g: np.clip(g, -0.5, 0.5)),
    "a scope that averaged freezes": (gx.chain(gx.clip(0.5), gx.adam(0.1), gx.scale(2.0), behind), lambda g: np.clip(g, -0.5, 0.5)),
    "a scope that did not": (gx.chain(gx.adagrad(0.1, eps=1.0), behind), lambda g: -0.1 * g / (np.abs(g) + 1)),
    "a name is no scope": (gx.chain(gx.named("first", gx.chain(gx.clip(0.5), gx.trace(0.9))), behind), lambda g: np.clip(g, -0.5, 0.5)),
    "skip_nonfinite passes it on": (gx.chain(*averaged_before, gx.skip_nonfinite(behind)), lambda g: np.clip(g, -0.5, 0.5)),
    "parts in skip_nonfinite": (
        gx.chain(*averaged_before, gx.skip_nonfinite(gx.chain(gx.scale(3.0), behind))),
        lambda g: np.clip(g, -0.5, 0.5),
    ),
    "skip_nonfinite of parts that rewrite": (
        gx.chain(gx.scale(2.0), gx.skip_nonfinite(gx.chain(gx.clip(0.5), behind))),
        lambda g: np.clip(2 * g, -0.5, 0.5),
    ),
    "freeze passes it on": (gx.chain(*averaged_before, gx.freeze("frozen", behind)), lambda g: np.clip(g, -0.5, 0.5)),
}


@pytest.mark.parametrize("name", BEHIND)
def test_gradient_behind_the_updates(name):
    tx, expected = BEHIND[name]
    gradient = {"frozen": np.zeros(2), "trained": np.array([1.5, -0.2, 0.7])}
    np.testing.assert_allclose(once(tx, gradient, gradient)["trained"], expected(gradient["trained"]), **EXACT)


# Decay of weights and of rates


SMALL = {k: P[k] for k in ("vector", "scalar")}


def bowl(params):
    return sum(jnp.sum(jnp.cosh(leaf - 0.3)) for leaf in jax.tree.leaves(params))


def test_l2_penalty_is_decay_before_the_moments():
    penalised = descend(gx.adam(0.1), lambda p: bowl(p) + 0.2 / 2 * sum(jnp.sum(x**2) for x in jax.tree.leaves(p)), SMALL, 30)
    decayed = descend(gx.chain(gx.add_decayed_weights(0.2), gx.adam(0.1)), bowl, SMALL, 30)
    decoupled = descend(gx.adamw(0.1, weight_decay=0.2), bowl, SMALL, 30)
    assert_trees_close(decayed, penalised, rtol=1e-10, atol=1e-12)
    assert relative_difference(decoupled, penalised) > 0.01


def test_l2_penalty_and_decoupled_decay_are_one_for_sgd():
    before = descend(gx.chain(gx.add_decayed_weights(0.2), gx.sgd(0.1)), bowl, SMALL, 30)
    behind_it = descend(gx.chain(gx.add_decayed_weights(0.2), gx.scale_by_learning_rate(0.1)), bowl, SMALL, 30)
    assert_trees_close(before, behind_it)


def test_each_weight_has_its_own_learning_rate():
    rates = {"matrix": np.array(0.1), "cube": np.array(0.0), "vector": np.linspace(0.1, 0.5, 5), "scalar": np.array(2.0)}
    tx = gx.chain(gx.scale_by_tree(rates), gx.sgd(1.0))
    assert_trees_close(once(tx, U), jax.tree.map(lambda u, rate: -rate * u, U, rates))
    together = gx.chain(gx.adam(1.0), gx.scale_by_tree({**rates, "vector": np.array(0.5)}))
    separate = {k: once(gx.adam(float(rates[k]) if k != "vector" else 0.5), U)[k] for k in U}
    assert_trees_close(once(together, U), separate)


def test_factors_must_fit():
    with pytest.raises(ValueError, match=r"scale_by_tree: factors have .*\(3,\).* at vector, where the updates have shape \(5,\)"):
        once(gx.scale_by_tree({**FACTORS, "vector": np.ones(3)}), U)
    with pytest.raises(ValueError, match="factors are no prefix"):
        once(gx.scale_by_tree({"matrix": 1.0, "vectr": 1.0}), U)


def test_learning_rate_decays_from_step_zero():
    updates = over_steps(gx.sgd(gx.exponential_decay(0.1, 10, 0.5)), np.ones(40))
    np.testing.assert_allclose(updates, -0.1 * 0.5 ** (np.arange(40) / 10), **EXACT)


# Random search


def test_random_search_never_raises_the_loss():
    path = descend(gx.random_search(0.3, 0), bowl, SMALL, 200)
    losses = np.array([float(bowl(SMALL)), *jax.vmap(bowl)(path)])
    assert np.all(np.diff(losses) <= 0)
    assert losses[-1] < 0.8 * losses[0]
    assert 0 < np.count_nonzero(np.diff(losses)) < 200


def test_random_search_repeats_with_its_key():
    first, again = (descend(gx.random_search(0.3, jax.random.key(0)), bowl, SMALL, 20) for _ in range(2))
    other = descend(gx.random_search(0.3, jax.random.key(1)), bowl, SMALL, 20)
    jax.tree.map(np.testing.assert_array_equal, first, again)
    assert relative_difference(first, other) > 0.01


def test_random_search_keeps_no_draw_without_a_value():
    updates = once(gx.random_search(0.3, 0), SMALL, SMALL, value_fn=lambda params: jnp.nan * params["scalar"], value=1.0)
    jax.tree.map(lambda u: np.testing.assert_array_equal(u, 0), updates)


def test_random_search_takes_the_value_that_is_known():
    assert np.any(once(gx.random_search(0.3, 0), SMALL, SMALL, value_fn=bowl, value=jnp.inf)["vector"] != 0)
    assert np.all(once(gx.random_search(0.3, 0), SMALL, SMALL, value_fn=bowl, value=-jnp.inf)["vector"] == 0)


# Second-order steps


FACTOR = RNG.normal(size=(6, 6))
HESSIAN = FACTOR @ FACTOR.T + 0.1 * np.eye(6)
TARGET = RNG.normal(size=6)


def quadratic(params):
    x = jnp.concatenate([params["a"].ravel(), params["b"]]) - TARGET
    return x @ HESSIAN @ x / 2


SIX = {"a": np.ones((2, 2)), "b": np.zeros(2)}


def flat(params):
    return np.concatenate([np.ravel(params["a"]), params["b"]])


@pytest.mark.parametrize(
    "tx", [gx.newton(damping=0.0), gx.newton_cg(damping=0.0, iterations=12, tolerance=1e-14)], ids=["newton", "newton_cg"]
)
def test_newton_arrives_at_once_on_a_quadratic(tx):
    updates = once(tx, jax.grad(quadratic)(SIX), SIX, value_fn=quadratic)
    np.testing.assert_allclose(flat(gx.apply_updates(SIX, updates)), TARGET, rtol=0, atol=1e-8)


@pytest.mark.parametrize("tx", [gx.newton(0.7, 2.0), gx.newton_cg(0.7, 2.0, iterations=12, tolerance=1e-14)], ids=["newton", "newton_cg"])
def test_damping_is_added_to_the_diagonal(tx):
    gradient = HESSIAN @ (flat(SIX) - TARGET)
    updates = once(tx, jax.grad(quadratic)(SIX), SIX, value_fn=quadratic)
    np.testing.assert_allclose(flat(updates), -0.7 * np.linalg.solve(HESSIAN + 2 * np.eye(6), gradient), rtol=1e-9)


def test_newton_cg_stops_at_its_tolerance():
    """The step is that of the first iteration whose residual is small enough."""

    def step(iterations, tolerance):
        tx = gx.newton_cg(1.0, 0.0, iterations, tolerance)
        return -flat(once(tx, jax.grad(quadratic)(SIX), SIX, value_fn=quadratic))

    gradient = HESSIAN @ (flat(SIX) - TARGET)
    iterates = [step(k, 0.0) for k in range(1, 4)]
    residuals = [np.linalg.norm(HESSIAN @ x - gradient) / np.linalg.norm(gradient) for x in iterates]
    tolerance = 1.01 * min(residuals[:3])
    first = next(k for k, residual in enumerate(residuals) if residual < tolerance)
    assert first > 0
    np.testing.assert_allclose(step(20, tolerance), iterates[first], rtol=1e-10)


def saddle(x):
    return 4 * x[0] ** 2 - x[1] ** 2 + 0.1 * x[1] ** 4


@pytest.mark.parametrize("x", [[1.0, 0.2], [0.01, 0.5], [0.0, 0.1]])
def test_newton_cg_descends_at_a_saddle(x):
    """Where curvature along the gradient is negative it steps along the gradient; where it turns negative later, it stops before."""
    x = np.array(x)
    gradient = jax.grad(saddle)(x)
    step = once(gx.newton_cg(0.1, damping=0.0), gradient, x, value_fn=saddle)
    assert step @ gradient < 0
    assert saddle(x + step) < saddle(x)
    if gradient @ jax.hessian(saddle)(x) @ gradient < 0:
        np.testing.assert_allclose(step, -0.1 * gradient, **EXACT)


def test_newton_climbs_at_a_saddle_unless_damped():
    x = np.array([0.01, 0.1])
    gradient = jax.grad(saddle)(x)
    assert once(gx.newton(0.1, damping=0.0), gradient, x, value_fn=saddle) @ gradient > 0
    assert once(gx.newton(0.1, damping=3.0), gradient, x, value_fn=saddle) @ gradient < 0


# Wrappers


def test_frozen_leaves_stay_and_have_no_state():
    tx = gx.freeze("vector", gx.adam(0.1))
    state = tx.init(SMALL)
    assert all("vector" not in jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(state))
    path = descend(tx, bowl, SMALL, 20)
    np.testing.assert_array_equal(path["vector"], np.broadcast_to(SMALL["vector"], (20, 5)))
    rest = {k: p for k, p in SMALL.items() if k != "vector"}
    assert_trees_close({k: path[k] for k in rest}, descend(gx.adam(0.1), bowl, rest, 20))


def test_global_norm_inside_freeze_counts_the_rest_only():
    tx = gx.freeze(lambda path, leaf: leaf.ndim > 1, gx.clip_by_global_norm(0.5))
    norm = np.sqrt(np.sum(U["vector"] ** 2) + U["scalar"] ** 2)
    updates = once(tx, U)
    np.testing.assert_allclose(updates["vector"], U["vector"] * 0.5 / norm, **EXACT)
    np.testing.assert_array_equal(updates["matrix"], 0)


WITH_GAPS = np.where(np.arange(30) % 4 == 2, np.nan, RNG.normal(size=30))
RATE = gx.exponential_decay(0.1, 3, 0.5)


def test_skipped_steps_leave_no_trace():
    """Steps between the bad ones go as if those had never been, the schedule's included."""
    finite = np.isfinite(WITH_GAPS)
    updates = np.asarray(over_steps(gx.skip_nonfinite(gx.adam(RATE)), WITH_GAPS))
    np.testing.assert_array_equal(updates[~finite], 0)
    np.testing.assert_allclose(updates[finite], over_steps(gx.adam(RATE), WITH_GAPS[finite]), **EXACT)


def test_one_bad_element_skips_the_whole_tree():
    bad = {**U, "vector": np.array([1.0, np.inf, 0, 0, 0])}
    jax.tree.map(lambda u: np.testing.assert_array_equal(u, 0), once(gx.skip_nonfinite(gx.sgd(0.1)), bad))


def test_members_under_vmap_skip_by_themselves():
    members = np.stack([WITH_GAPS, np.roll(WITH_GAPS, 1), np.where(np.isnan(WITH_GAPS), 0.5, WITH_GAPS)])
    tx = gx.skip_nonfinite(gx.adam(RATE))
    together = jax.vmap(over_steps, in_axes=(None, 0))(tx, members)
    for member, updates in zip(members, together, strict=True):
        np.testing.assert_allclose(updates, over_steps(tx, member), **EXACT)
    assert np.all(np.isfinite(together))


# Adding updates, names, other libraries' parts


def test_parameters_in_bfloat16_are_rounded_once():
    """The exact sum lies above the midpoint of two bfloat16 numbers; an update rounded first would fall on it, and to even."""
    spacing = 2.0**-7
    update = jnp.float32(spacing / 2 * (1 + 2.0**-9))
    assert update.astype(jnp.bfloat16) == spacing / 2
    new = gx.apply_updates(jnp.bfloat16(1), update)
    assert new.dtype == jnp.bfloat16
    assert new == 1 + spacing
    assert jnp.bfloat16(1) + update.astype(jnp.bfloat16) == 1


def test_apply_updates_leaves_untrained_leaves_alone():
    params = {"w": np.ones(2), "count": np.array([3, 4]), "mask": np.array(True), "none": None}
    updates = {"w": np.full(2, 0.5), "count": np.array([1, 1]), "mask": np.array(True), "none": None}
    new = gx.apply_updates(params, updates)
    np.testing.assert_array_equal(new["w"], [1.5, 1.5])
    np.testing.assert_array_equal(new["count"], [3, 4])
    assert new["mask"]
    assert new["none"] is None


def test_names_are_the_keys_of_the_state():
    tx = gx.chain(gx.trace(0.9), gx.named("slow", gx.trace(0.99)), gx.trace(0.5))
    state = tx.init(np.zeros(2))
    assert set(state) == {"step", "trace", "slow", "trace_2"}
    named = gx.chain(gx.named("m", adam_parts(0.1)[0]), *adam_parts(0.1)[1:])
    assert_trees_close(over_steps(named, GRADIENTS), over_steps(gx.adam(0.1), GRADIENTS))


class Doubling:
    """Another library's part: any object with `init` and `update`."""

    def init(self, params):
        return {"count": jnp.zeros((), int)}

    def update(self, updates, state, params=None):
        return jax.tree.map(lambda u: 2 * u, updates), {"count": state["count"] + 1}


def test_any_object_with_init_and_update_is_a_part():
    foreign, ours = gx.chain(Doubling(), gx.adam(0.1, eps=1.0)), gx.chain(gx.scale(2.0), gx.adam(0.1, eps=1.0))
    state = foreign.init(U)
    for k in range(3):
        gradient = jax.tree.map(lambda g, k=k: g[k], GRADIENTS)
        updates, state = foreign.update(gradient, state)
    assert state["foreign"]["state"]["count"] == 3
    three = jax.tree.map(lambda g: g[:3], GRADIENTS)
    assert_trees_close(updates, jax.tree.map(lambda u: u[-1], over_steps(ours, three)))
    assert_trees_close(once(gx.foreign(Doubling().init, Doubling().update), U), leafwise(lambda u: 2 * u))


@pytest.mark.parametrize("optimizer", [gx.newton, gx.newton_cg], ids=["newton", "newton_cg"])
@pytest.mark.parametrize("damping", [0.0, 0.1])
def test_newton_steps_are_finite_where_the_loss_is_flat(optimizer, damping):
    """x⁴ at 0 has neither gradient nor curvature; a step, and its derivative by every number, are zero there."""
    x = np.zeros(2)

    def step(tx):
        return once(tx, x, x, value_fn=lambda x: jnp.sum(x**4))

    tx = optimizer(0.5, damping=damping)
    np.testing.assert_array_equal(step(tx), 0)
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(jax.jacobian(step)(tx)))


def test_newton_leaves_a_weight_that_the_loss_does_not_use_and_solves_for_the_others():
    minimum, curvatures = np.array([1.0, -2.0]), np.array([3.0, 0.5])

    def loss(x):
        return jnp.sum(curvatures * (x[jnp.array([0, 2])] - minimum) ** 2) / 2

    x = np.array([4.0, 7.0, 5.0])
    step = once(gx.newton(damping=0.0), np.asarray(jax.grad(loss)(x)), x, value_fn=loss)
    np.testing.assert_allclose(x + step, [1.0, 7.0, -2.0], rtol=1e-12)
