"""The compiled step: micro-batches, precision, what the loss and the optimizer ask for, and that it compiles once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradtx as gx
from gradtx import training

X = np.random.default_rng(0).normal(size=(10, 3)).astype(np.float32)
Y = (X @ np.array([1.0, -2.0, 0.5], np.float32) + 0.1).astype(np.float32)
BATCH = {"x": X, "y": Y}
SGD, ADAM = gx.sgd(0.1), gx.adam(0.1)


def start():
    return {"w": jnp.array([0.5, 0.5, -1.0]), "b": jnp.zeros(())}


def residual(params, batch):
    return batch["x"] @ params["w"] + params["b"] - batch["y"]


def squares(params, batch):
    return jnp.mean(residual(params, batch) ** 2)


def squares_and_more(params, batch):
    errors = residual(params, batch)
    aux = {
        "error": errors,
        "mean": jnp.mean(errors),
        "count": jnp.sum(errors > 0),
        "finite": jnp.all(jnp.isfinite(errors)),
        "b": params["b"],
    }
    return jnp.mean(errors**2), aux


def noisy(params, batch, *, key):
    return jnp.mean((residual(params, batch) + 0.1 * jax.random.normal(key, batch["y"].shape)) ** 2)


def normalised(params, batch, *, model_state):
    mean = 0.9 * model_state["mean"] + 0.1 * jnp.mean(batch["x"], axis=0)
    return squares(params, {**batch, "x": batch["x"] - mean}), {"mean": mean}


def after(step, tx=SGD, batch=BATCH, steps=1, params=None, key=None, **extras):
    params = start() if params is None else params
    state = step.init(tx, params)
    for _ in range(steps):
        params, state, metrics = step(tx, params, state, batch, key, **extras)
    return params, state, metrics


def by_hand(tx, params, steps, loss=squares):
    state = tx.init(params)
    for _ in range(steps):
        updates, state = tx.update(jax.grad(loss)(params, BATCH), state, params)
        params = gx.apply_updates(params, updates)
    return params


def assert_near(found, expected, rtol=1e-6):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-6), found, expected)


def test_a_step_is_what_one_writes_by_hand():
    params, state, metrics = after(training.make_step(squares), ADAM, steps=3)
    assert_near(params, by_hand(ADAM, start(), 3))
    assert int(state["step"]) == 3
    assert_near(metrics.value, squares(by_hand(ADAM, start(), 2), BATCH))
    assert metrics.aux is metrics.gradient_norm is metrics.finite is None


@pytest.mark.parametrize("count", [2, 3, 4, 9, 10])
def test_micro_batches_give_the_whole_batch_exactly_also_where_they_do_not_divide_it(count):
    with jax.enable_x64(True):
        batch = {name: np.asarray(values, np.float64) for name, values in BATCH.items()}
        params = jax.tree.map(lambda p: p.astype(jnp.float64), start())
        make = lambda **options: training.make_step(squares_and_more, has_aux=True, gradient_norm=True, donate=False, **options)  # noqa: E731
        whole, _, expected = after(make(), SGD, batch, params=params)
        split, _, found = after(make(micro_batches=count), SGD, batch, params=params)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-14), (split, found), (whole, expected))


def test_micro_batches_equal_the_whole_batch_to_rounding_in_float32():
    assert_near(after(training.make_step(squares, micro_batches=4), ADAM, steps=5)[0], after(training.make_step(squares), ADAM, steps=5)[0])


def test_micro_batches_add_up_in_float32():
    """256 gradients of 1 + 2⁻⁷ (bfloat16): a sum kept in bfloat16 would stop growing at 256."""
    step = training.make_step(lambda p, x: jnp.mean(p * x), micro_batches=256, gradient_norm=True)
    _, _, metrics = after(step, batch=jnp.full(256, 1 + 2.0**-7, jnp.bfloat16), params=jnp.ones((), jnp.bfloat16))
    assert float(metrics.gradient_norm) == 1 + 2.0**-7


def test_weigh_makes_the_mean_over_tokens_exact():
    def over_tokens(params, batch):
        return jnp.sum(batch["mask"] * residual(params, batch) ** 2) / jnp.sum(batch["mask"])

    batch = {**BATCH, "mask": np.array([1, 0, 0, 1, 0, 1, 1, 1, 0, 1], np.float32)}
    split = training.make_step(over_tokens, micro_batches=10, weigh=lambda rows: jnp.sum(rows["mask"]))
    assert_near(after(split, batch=batch)[0], after(training.make_step(over_tokens), batch=batch)[0])
    assert not np.allclose(after(training.make_step(over_tokens, micro_batches=4), batch=batch)[0]["w"], after(split, batch=batch)[0]["w"])


def test_one_compilation_whatever_the_hyperparameters():
    step = training.make_step(lambda params, batch: squares(params, batch), micro_batches=3)
    for rate, b1 in ((0.1, 0.9), (0.2, 0.9), (0.3, 0.5)):
        after(step, gx.adam(rate, b1), steps=2)
    assert step.compilations == 1


def test_equal_calls_give_the_same_step():
    assert training.make_step(squares, compute_dtype=jnp.float16) is training.make_step(squares, compute_dtype="float16")
    assert training.make_step(squares) is not training.make_step(squares, micro_batches=2)


def test_parameters_and_state_are_donated():
    for donate in (True, False):
        step = training.make_step(squares, donate=donate)
        params = start()
        state = step.init(ADAM, params)
        step(ADAM, params, state, BATCH)
        assert all(leaf.is_deleted() == donate for leaf in jax.tree.leaves((params, state)) if leaf.ndim)


def test_a_batch_of_optimizers_under_vmap_is_a_loop():
    rates = jnp.array([0.01, 0.1, 1.0])
    step = training.make_step(squares, micro_batches=2)
    many = jax.tree.map(lambda leaf: jnp.stack([leaf] * 3), start())
    txs = jax.vmap(gx.adam)(rates)
    params, state = many, jax.vmap(lambda tx, params: tx.init(params))(txs, many)
    for _ in range(2):
        params, state, _ = jax.vmap(step, in_axes=(0, 0, 0, None))(txs, params, state, BATCH)
    for k, rate in enumerate(rates):
        assert_near(jax.tree.map(lambda leaf: leaf[k], params), after(step, gx.adam(rate), steps=2)[0])  # noqa: B023


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_mixed_precision_computes_in_half_and_keeps_parameters_and_state_in_float32(dtype):
    seen = []

    def loss(params, batch):
        seen.extend(leaf.dtype for leaf in jax.tree.leaves((params, batch)))
        return squares(params, batch)

    params, state, metrics = after(training.make_step(loss, compute_dtype=dtype), ADAM)
    assert set(seen) == {jnp.dtype(dtype)}
    assert {leaf.dtype for leaf in jax.tree.leaves((params, metrics.value)) + jax.tree.leaves(state)} == {
        np.dtype("float32"),
        np.dtype("int32"),
    }
    assert_near(params, after(training.make_step(squares), ADAM)[0], rtol=0.01)


def test_a_loss_scale_saves_gradients_that_float16_would_lose():
    def tiny(params, batch):
        return jnp.mean(params["w"] * jnp.float16(1e-5)) * jnp.float16(1e-3)

    params = {"w": jnp.ones(1)}
    lost = after(training.make_step(tiny, compute_dtype=jnp.float16, gradient_norm=True, donate=False), params=params)[2]
    kept = after(training.make_step(tiny, compute_dtype=jnp.float16, gradient_norm=True, loss_scale=1024.0, donate=False), params=params)[2]
    assert float(lost.gradient_norm) == 0
    np.testing.assert_allclose(kept.gradient_norm, 1e-8, rtol=0.02)


def test_a_dynamic_loss_scale_recovers_from_overflow_and_grows_again():
    scaling = training.dynamic_loss_scale(initial=2.0**20, every=3)
    step = training.make_step(squares, compute_dtype=jnp.float16, loss_scale=scaling, micro_batches=2)
    params = start()
    state = step.init(ADAM, params)
    before = jax.tree.map(np.asarray, (params, step.optimizer_state(state)))
    params, state, metrics = step(ADAM, params, state, BATCH)
    assert not bool(metrics.finite)
    jax.tree.map(np.testing.assert_array_equal, (params, step.optimizer_state(state)), before)
    scales, taken = [float(metrics.loss_scale)], [False]
    for _ in range(20):
        params, state, metrics = step(ADAM, params, state, BATCH)
        scales.append(float(metrics.loss_scale))
        taken.append(bool(metrics.finite))
    first = taken.index(True)
    assert scales[: first + 1] == [2.0 ** (20 - k) for k in range(first + 1)]
    assert taken[first : first + 3] == [True] * 3
    assert scales[first + 3] == 2 * scales[first]
    assert int(step.optimizer_state(state)["step"]) == sum(taken)
    assert float(metrics.value) < 0.5 * float(squares(start(), BATCH))


def test_keys_reach_the_loss_and_each_micro_batch_has_its_own():
    step = training.make_step(noisy)
    one, again, other = (after(step, key=jax.random.key(seed))[0] for seed in (0, 0, 1))
    jax.tree.map(np.testing.assert_array_equal, one, again)
    assert not np.array_equal(one["w"], other["w"])
    drawn = training.make_step(lambda p, b, key: (p * jnp.mean(b), jax.random.normal(key, b.shape)), has_aux=True, micro_batches=5)
    aux = after(drawn, batch=jnp.ones(10), params=jnp.ones(()), key=jax.random.key(0))[2].aux
    assert len(np.unique(aux)) == 10
    with pytest.raises(TypeError, match="asks for a key"):
        after(step)


def test_a_key_with_a_default_may_be_left_out():
    step = training.make_step(lambda params, batch, key=1: squares(params, batch) if isinstance(key, int) else jax.random.uniform(key))
    assert after(step)[2].value == squares(start(), BATCH)
    assert step(SGD, start(), SGD.init(start()), BATCH, jax.random.key(2))[2].value == jax.random.uniform(jax.random.key(2))


def test_aux_of_every_kind_is_put_together_and_its_real_numbers_are_logged():
    """Nine of ten examples lie in full micro-batches, one in the last."""
    key = jax.random.key(3)
    aux = {"key": key, "python": 0.5, "count": 1, "sure": True, "complex": 2j, "nothing": None}
    _, _, metrics = after(training.make_step(lambda params, batch: (squares(params, batch), aux), has_aux=True, micro_batches=4))
    assert jnp.array_equal(jax.random.key_data(metrics.aux["key"]), jax.random.key_data(key))
    assert metrics.scalars() == {"value": float(metrics.value), "aux/python": 0.5, "aux/count": 4.0, "aux/sure": 1.0}


def test_a_loss_that_cannot_be_hashed_has_a_step_of_its_own():
    class Squares(list):
        def __call__(self, params, batch):
            return squares(params, batch)

    assert after(training.make_step(Squares()))[2].value == squares(start(), BATCH)


def test_model_state_is_threaded_through_the_micro_batches():
    step = training.make_step(normalised, micro_batches=2)
    params = start()
    state = step.init(SGD, params, {"mean": jnp.zeros(3)})
    _, state, _ = step(SGD, params, state, BATCH)
    expected = np.zeros(3)
    for part in (X[0::2], X[1::2]):
        expected = 0.9 * expected + 0.1 * part.mean(axis=0)
    np.testing.assert_allclose(state["model_state"]["mean"], expected, rtol=1e-5)
    with pytest.raises(TypeError, match=r"write step.init\(tx, params, model_state\)"):
        step.init(SGD, start())
    with pytest.raises(TypeError, match="keeps more than the optimizer's state"):
        step(SGD, start(), SGD.init(start()), BATCH)


def test_what_the_optimizer_asks_for_arrives():
    """sam needs value_fn, polyak_sgd value: equal to the same by hand, also in micro-batches."""
    for tx in (gx.chain(gx.sam(0.1), gx.sgd(0.1)), gx.polyak_sgd(1.0)):
        params = start()
        state = tx.init(params)
        value, gradient = jax.value_and_grad(squares)(params, BATCH)
        updates, _ = tx.update(gradient, state, params, value=value, value_fn=lambda p: squares(p, BATCH))
        for count in (1, 4):
            assert_near(after(training.make_step(squares, micro_batches=count), tx)[0], gx.apply_updates(params, updates), rtol=1e-5)


def test_observations_and_the_norm_of_the_gradient_arrive():
    tx = gx.chain(gx.observe("before", gx.update_norm), gx.clip_by_global_norm(0.5), gx.observe("clipped", gx.update_norm), SGD)
    metrics = after(training.make_step(squares, gradient_norm=True), tx)[2]
    assert metrics.scalars().keys() == {"value", "before", "clipped", "gradient_norm"}
    np.testing.assert_allclose(metrics.scalars()["before"], metrics.gradient_norm, rtol=1e-6)
    np.testing.assert_allclose(metrics.scalars()["clipped"], 0.5, rtol=1e-6)


def test_leaves_that_are_not_trained_stay_and_complex_ones_go_downhill():
    def loss(params, batch):
        return jnp.abs(params["z"] - (1 + 2j)) ** 2 + squares(params["in"], batch) + 0 * params["n"][0]

    params = {"z": jnp.array(0j), "in": start(), "n": jnp.arange(2), "none": None, "key": jax.random.key(1)}
    moved, _, _ = after(training.make_step(loss), gx.sgd(0.05), steps=60, params=params)
    np.testing.assert_allclose(moved["z"], 1 + 2j, rtol=0.01)
    assert moved["n"].tolist() == [0, 1]
    assert moved["none"] is None


def tied(donate):
    params = dict.fromkeys("ab", jnp.ones(3))
    step = training.make_step(lambda params, batch: jnp.sum(params["a"] * params["b"] * batch), donate=donate)
    return step(SGD, params, SGD.init(params), 1.0)


def test_one_array_in_two_places_is_two_parameters():
    moved, _, metrics = tied(donate=False)
    assert metrics.value == 3
    np.testing.assert_array_equal(moved["a"], moved["b"])
    assert not np.allclose(moved["a"], 1)


@pytest.mark.parametrize(
    ("error", "message", "act"),
    [
        (ValueError, "micro_batches=11 is more than the 10 examples", lambda: after(training.make_step(squares, micro_batches=11))),
        (ValueError, "whole number of at least 1, got 0", lambda: training.make_step(squares, micro_batches=0)),
        (ValueError, "a floating dtype such as jnp.bfloat16", lambda: training.make_step(squares, compute_dtype=jnp.int8)),
        (
            ValueError,
            r"lengths are .*'x'.*: 10, .*'y'.*: 9",
            lambda: after(training.make_step(squares, micro_batches=2), batch={"x": X, "y": Y[:9]}),
        ),
        (TypeError, "has_aux=True if the loss returns something", lambda: after(training.make_step(squares_and_more))),
        (TypeError, r"must return value, aux, and it returned", lambda: after(training.make_step(squares, has_aux=True))),
        (TypeError, r"jnp.mean\(...\) for the value", lambda: after(training.make_step(residual))),
        (TypeError, r"Put another library's into gradtx.chain", lambda: training.make_step(squares)((1, 2), start(), {}, BATCH)),
        (TypeError, "did you mean 'examples'", lambda: after(training.make_step(squares), example=3)),
        (ValueError, "loss_scale must be above 0", lambda: training.make_step(squares, loss_scale=0.0)),
        (ValueError, "factor above 1", lambda: training.dynamic_loss_scale(factor=0.5)),
        (ValueError, "loss_scale must be above 0 and finite", lambda: training.make_step(squares, loss_scale=float("inf"))),
        (ValueError, "all finite, got inf", lambda: training.dynamic_loss_scale(float("inf"))),
        (
            ValueError,
            r"aux of shape \(3, 10\) cannot be put together",
            lambda: after(training.make_step(lambda p, b: (squares(p, b), b["x"].T), has_aux=True, micro_batches=4)),
        ),
        (ValueError, "there is one only", lambda: training.make_step(squares, weigh=jnp.sum)),
        (TypeError, "no argument model_state", lambda: training.make_step(squares).init(SGD, start(), {})),
        (ValueError, r"params/a and params/b are one array, .* For tied weights keep one leaf", lambda: tied(donate=True)),
    ],
)
def test_errors_teach(error, message, act):
    with pytest.raises(error, match=message):
        act()


@pytest.mark.parametrize(
    ("kept", "now", "said"),
    [
        ({"mean": 0}, {"mean": 0.5}, r"model_state mean as int32\[\], and returned it as float32\[\]"),
        ({"mean": False}, {"mean": 1}, r"model_state mean as bool\[\], and returned it as int32\[\]"),
        ({"mean": 0.0}, {"mean": np.zeros(3, np.float32)}, r"as float32\[\], and returned it as float32\[3\]"),
        ({"mean": 0.0}, {"other": 0.0}, "returned another model_state than it was given: .*mean"),
    ],
)
@pytest.mark.parametrize("micro_batches", [1, 2])
def test_a_model_state_that_would_be_cut_off_is_refused(kept, now, said, micro_batches):
    step = training.make_step(lambda params, batch, *, model_state: (squares(params, batch), now), micro_batches=micro_batches)
    params = start()
    with pytest.raises(TypeError, match=said):
        step(SGD, params, step.init(SGD, params, kept), BATCH)


def test_a_model_state_may_hold_keys_and_counters_of_any_width():
    def counted(params, batch, *, model_state):
        now = {"key": jax.random.fold_in(model_state["key"], 1), "n": model_state["n"] + jnp.sum(batch["x"] > 0)}
        return squares(params, batch), now

    step, params = training.make_step(counted), start()
    state = step.init(SGD, params, {"key": jax.random.key(0), "n": jnp.uint32(0)})
    _, state, _ = step(SGD, params, state, BATCH)
    assert state["model_state"]["n"].dtype == jnp.uint32
    assert (
        jax.random.key_data(state["model_state"]["key"]).tolist() == jax.random.key_data(jax.random.fold_in(jax.random.key(0), 1)).tolist()
    )
