"""What the contract promises beyond the laws of the kit."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradtx as gx
from tests.cases import make_params, step


def test_a_new_learning_rate_recompiles_nothing():
    params = make_params()
    compiled = jax.jit(lambda tx, params, state: step(tx, params, state))
    for learning_rate in (0.1, 0.2, 3):
        tx = gx.adamw(learning_rate)
        compiled(tx, params, tx.init(params))
    assert compiled._cache_size() == 1
    static = jax.jit(lambda tx, params, state: step(tx, params, state), static_argnums=0)
    for _ in range(3):
        static(gx.adam(1e-3), params, gx.adam(1e-3).init(params))
    assert static._cache_size() == 1


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_stochastic_rounding_keeps_the_mean_and_rounding_once_is_exact(dtype):
    params, small = {"w": jnp.ones(4000, dtype)}, {"w": jnp.full(4000, -1e-4, jnp.float32)}

    def walk(params, key):
        return gx.apply_updates(params, small, key), None

    arrived, _ = jax.lax.scan(walk, params, jax.random.split(jax.random.key(0), 1000))
    assert arrived["w"].dtype == dtype
    assert abs(float(jnp.mean(arrived["w"].astype(jnp.float32))) - 0.9) < 0.002
    stuck, _ = jax.lax.scan(lambda p, _: (gx.apply_updates(p, small), None), params, length=1000)
    np.testing.assert_array_equal(stuck["w"].astype(jnp.float32), 1.0)
    exact = gx.apply_updates({"w": jnp.array([1.0, jnp.inf, 0.0], dtype)}, {"w": jnp.array([0.5, 0.0, 0.0])}, jax.random.key(0))
    np.testing.assert_array_equal(exact["w"].astype(jnp.float32), [1.5, jnp.inf, 0.0])


def test_the_clock_of_a_skipping_wrapper_is_the_one_in_force():
    params = {"w": jnp.ones(3)}
    tx = gx.skip_nonfinite(gx.sgd(gx.linear_schedule(1.0, 0.0, 10)))
    state = tx.init(params)
    for _ in range(5):
        _, state = tx.update({"w": jnp.array([jnp.nan, 1.0, 1.0])}, state, params)
    assert float(gx.hyperparameters(tx, state)["skip_nonfinite"]["inner"]["sgd"]["learning_rate"]) == 1.0


def test_the_state_shares_nothing_with_the_optimizer():
    @gx.transformation
    def keeps_its_arguments(rate: gx.Number, key: gx.Key):
        return (lambda params: {"rate": jnp.asarray(rate), "key": key}), (lambda updates, state: (updates, state))

    tx, params = keeps_its_arguments(jnp.float32(2.0), jax.random.key(0)), {"w": jnp.ones(3)}
    jax.jit(tx.update, donate_argnums=1)(params, tx.init(params), params)
    assert float(tx.rate) == 2.0
    assert tx == keeps_its_arguments(jnp.float32(2.0), jax.random.key(0))


def test_a_frozen_complex_leaf_stays_in_the_loss():
    params = {"w": jnp.ones(2, jnp.complex64), "b": jnp.ones(2)}

    def bowl(params):
        return jnp.sum(jnp.abs(params["w"]) ** 2) + jnp.sum(params["b"] ** 2)

    tx = gx.freeze("w*", gx.newton_cg(damping=0.0))
    updates, _ = tx.update(jax.grad(bowl)(params), tx.init(params), params, value_fn=bowl)
    np.testing.assert_allclose(updates["b"], -1.0, rtol=1e-5)
    np.testing.assert_array_equal(updates["w"], 0)


def test_arguments_of_update_may_be_named():
    tx, params = gx.adamw(0.1), make_params()
    state = tx.init(params)
    named = tx.update(updates=params, state=state, params=params)
    chex.assert_trees_all_equal(named, tx.update(params, state, params))


def test_keys_of_parameters_may_be_names_of_the_state():
    params = {name: jnp.ones(2) for name in ("step", "adam", "average", "of_one", "max", "scale_by_rms")}
    plain = {f"w{k}": leaf for k, leaf in enumerate(params.values())}
    for tx in (gx.amsgrad(0.1), gx.chain(gx.ema(0.9), gx.ema(0.8), gx.adam(0.1))):
        updates, _ = tx.update(params, tx.init(params), params)
        expected, _ = tx.update(plain, tx.init(plain), plain)
        assert all(bool(jnp.all(leaf == expected["w0"])) for leaf in updates.values())


def test_half_precision_under_strict_promotion():
    params = make_params(jnp.bfloat16)
    with jax.numpy_dtype_promotion("strict"):
        tx = gx.adamw(0.1)
        updates, _ = tx.update(params, tx.init(params), params)
        assert gx.apply_updates(params, updates)["w"].dtype == jnp.bfloat16


def test_joined_pieces_are_differentiable_before_they_begin():
    def early(peak):
        return gx.join_schedules((gx.linear_schedule(0.0, peak, 100), gx.sgdr_schedule(peak, 50, 2.0)), (100,))(5)

    np.testing.assert_allclose(jax.grad(early)(0.1), 0.05, rtol=1e-6)


def test_a_pattern_of_untrained_leaves_is_no_misspelling():
    params = {"emb": {"ids": jnp.arange(3)}, "w": jnp.ones(2)}
    frozen = gx.freeze("emb/*", gx.sgd(0.1))
    updates, _ = frozen.update({"emb": {"ids": jnp.arange(3)}, "w": jnp.ones(2)}, frozen.init(params), params)
    np.testing.assert_allclose(updates["w"], -0.1, rtol=1e-6)
    with pytest.raises(ValueError, match="matches no leaf"):
        gx.freeze("embed/*", gx.sgd(0.1)).init(params)


@pytest.mark.parametrize("tx", [gx.add_noise(0.1, 0.55, 0), gx.random_search(0.1, 0)], ids=lambda tx: tx.form.name)
def test_draws_lie_like_the_leaves_on_an_explicit_mesh(tx):
    mesh = jax.make_mesh((8,), ("x",), axis_types=(jax.sharding.AxisType.Explicit,))
    with jax.set_mesh(mesh):
        params = {"w": jax.device_put(jnp.ones((16, 2)), jax.P("x"))}
        updates = jax.jit(lambda params: tx.update(params, tx.init(params), params, value_fn=lambda p: jnp.sum(p["w"]))[0])(params)
        assert jax.typeof(updates["w"]) == jax.typeof(params["w"])


INITS: list[float] = []


@gx.transformation
def _of_length(length: gx.Number):
    """A part whose state is as long as its number says, which so cannot be traced."""

    def init(params):
        INITS.append(length)
        return {"slots": jax.tree.map(lambda leaf: jnp.zeros(int(length)), params)}

    return init, lambda updates, state: (updates, state)


def test_a_step_that_is_traced_again_traces_no_init_and_reads_the_numbers_in_force():
    params = make_params()
    for length in (2.0, 3.0, 2.0):
        tx = _of_length(length)
        state = tx.init(params)
        before = len(INITS)
        for _ in range(2):
            jax.make_jaxpr(lambda state, tx=tx: tx.update(params, state, params))(state)
        assert len(INITS) - before <= 1
        other = _of_length(4.0).init(params)
        with pytest.raises(ValueError, match="slots"):
            jax.make_jaxpr(lambda state, tx=tx: tx.update(params, state, params))(other)
    with pytest.raises(jax.errors.ConcretizationTypeError):
        jax.make_jaxpr(lambda length: _of_length(length).update(params, state, params))(2.0)
