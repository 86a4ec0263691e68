"""The laws of the contract, each on every row of the table."""

import json
import pickle

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradtx as gx
from gradtx._core.call import FORMS
from gradtx._core.transformation import GradientTransformation
from tests.cases import CASES, Case, loss, make_params, step, train

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
compiled_train = jax.jit(train, static_argnames="steps")
TOLERANCE = {"rtol": 2e-5, "atol": 2e-6}
WIDE_TOLERANCE = {"rtol": 1e-8, "atol": 1e-11}


@pytest.fixture
def wide():
    """Float64, where a sum taken in another order does not show."""
    with jax.enable_x64(True):
        yield jnp.float64


def exempt(case: Case, law: str) -> bool:
    """Whether the row says, with its reason, that this law is not for it."""
    return law in case.exempt


def is_transformation(form) -> bool:
    return form.spec_name == form.name and isinstance(form.make, type(gx.adam)) and "schedule" not in form.body.__module__


def test_every_factory_is_a_row():
    factories = {form.name for form in FORMS.values() if is_transformation(form)}
    assert factories == {case.name for case in CASES}


@every_case
def test_jit_equals_eager(case):
    tx, params = case.make(), make_params()
    with jax.disable_jit():
        state = tx.init(params)
        eager = step(tx, params, state)
    compiled = jax.jit(step)(tx, params, state)
    chex.assert_trees_all_close(compiled, eager, **TOLERANCE)


@every_case
def test_vmap_over_problems_equals_a_loop(case, wide):
    tx = case.make()
    problems = [make_params(wide, seed) for seed in range(3)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *problems)
    together = jax.jit(jax.vmap(lambda params: train(tx, params, 3)))(stacked)
    for k, params in enumerate(problems):
        chex.assert_trees_all_close(
            jax.tree.map(lambda leaf, k=k: leaf[k], together), compiled_train(tx, params, steps=3), **WIDE_TOLERANCE
        )


def members(tx):
    """For each number of `tx`: three transformations that differ in it alone."""
    leaves, structure = jax.tree.flatten(tx)
    for k, leaf in enumerate(leaves):
        values = [leaf, leaf + 1, leaf + 2] if isinstance(leaf, int) else [leaf, 0.97 * leaf, 0.9 * leaf]
        yield [structure.unflatten([*leaves[:k], value, *leaves[k + 1 :]]) for value in values]


@every_case
def test_vmap_over_every_number_equals_a_loop_in_one_compilation(case, wide):
    tx, params = case.make(), make_params(wide)
    groups = list(members(tx))
    everyone = [member for group in groups for member in group]
    if not everyone:
        assert not jax.tree.leaves(tx)
        return
    batch = jax.tree.map(lambda *leaves: jnp.asarray(leaves), *everyone)
    chex.clear_trace_counter()
    swept = jax.jit(jax.vmap(chex.assert_max_traces(lambda tx: train(tx, params, 3), n=1)))(batch)
    before = compiled_train._cache_size()
    for k, member in enumerate(everyone):
        alone = compiled_train(member, params, steps=3)
        chex.assert_trees_all_close(jax.tree.map(lambda leaf, k=k: leaf[k], swept), alone, **WIDE_TOLERANCE)
    assert compiled_train._cache_size() <= before + 1


@every_case
def test_a_schedule_in_every_number(case, wide):
    tx, params = case.make(), make_params(wide)
    leaves, structure = jax.tree.flatten(tx)
    is_float = [isinstance(leaf, float) for leaf in leaves]
    schedules = [gx.linear_schedule(leaf, 0.9 * leaf, 4) if number else leaf for leaf, number in zip(leaves, is_float, strict=True)]
    scheduled = structure.unflatten(schedules)
    state = scheduled.init(params)
    by_hand_params, by_hand_state = params, state
    for k in range(3):
        now = structure.unflatten([s(k) if number else s for s, number in zip(schedules, is_float, strict=True)])
        by_hand_params, by_hand_state, _ = jax.jit(step)(now, by_hand_params, by_hand_state)
    chex.assert_trees_all_close(compiled_train(scheduled, params, steps=3), (by_hand_params, by_hand_state), **WIDE_TOLERANCE)


@every_case
def test_hypergradients_are_finite(case):
    params = make_params()
    is_optimizer = "_optimizers" in case.make().form.body.__module__
    tx = case.make() if is_optimizer else gx.chain(case.make(), gx.scale(-0.05))

    def final(tx, gradients_vanish):
        def body(carry, _):
            params, state = carry
            grads = jax.tree.map(lambda g: jnp.where(gradients_vanish, 0, g), jax.grad(loss)(params))
            updates, state = tx.update(grads, state, params, value_fn=loss)
            return (gx.apply_updates(params, updates), state), None

        return loss(jax.lax.scan(body, (params, tx.init(params)), None, length=20)[0][0])

    hypergradient = jax.jit(jax.grad(final, allow_int=True))
    for vanish in (False, True):
        found = hypergradient(tx, vanish)
        assert jax.tree.structure(found) == jax.tree.structure(tx)
        finite = [bool(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(found) if leaf.dtype != jax.dtypes.float0]
        assert all(finite), str(found)


DTYPES = [
    (params, grads) for params in (jnp.bfloat16, jnp.float16, jnp.float32, jnp.float64) for grads in dict.fromkeys((params, jnp.float32))
]


@every_case
@pytest.mark.parametrize(("param_dtype", "grad_dtype"), DTYPES, ids=lambda dtype: jnp.dtype(dtype).name)
def test_types_never_change_and_scan_works(case, param_dtype, grad_dtype):
    def run(params):
        def body(carry, _):
            params, state, updates = step(tx, *carry, grad_dtype)
            assert {leaf.dtype for leaf in jax.tree.leaves(updates)} == {jnp.dtype(grad_dtype)}
            return (params, state), None

        return jax.lax.scan(body, (params, tx.init(params)), None, length=3)[0]

    with jax.enable_x64(param_dtype == jnp.float64):
        tx = case.make()
        params = jax.eval_shape(lambda: make_params(param_dtype))
        state = jax.eval_shape(tx.init, params)
        wide = jnp.promote_types(param_dtype, jnp.float32)
        assert {leaf.dtype for leaf in jax.tree.leaves(state)} <= {jnp.dtype(wide), jnp.dtype(jnp.int32)}
        assert not any(leaf.weak_type for leaf in jax.tree.leaves(state))
        after, after_state = jax.eval_shape(run, params)
        chex.assert_trees_all_equal_shapes_and_dtypes((params, state), (after, after_state))
        assert not any(leaf.weak_type for leaf in jax.tree.leaves(after_state))


@every_case
def test_three_steps_are_one_compilation_with_donation(case):
    tx = case.make()
    for param_dtype in (jnp.float32, jnp.bfloat16):
        params = make_params(param_dtype)
        expected = compiled_train(tx, params, steps=3)
        state = tx.init(params)
        donating = jax.jit(lambda tx, params, state: step(tx, params, state, jnp.float32)[:2], donate_argnums=(1, 2))
        for _ in range(3):
            params, state = donating(tx, params, state)
        assert donating._cache_size() == 1
        if param_dtype == jnp.float32:
            chex.assert_trees_all_close((params, state), expected, **TOLERANCE)


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


TREES = {
    "empty": {},
    "bare": jnp.ones(3),
    "bare scalar": jnp.ones(()),
    "python scalars": {"s": 1.0, "s2": (2.0, 3.0)},
    "size zero": {"s": jnp.ones((0, 3)), "t": jnp.ones(2)},
    "nested": {"s": [{"x": jnp.ones((2, 2))}, (jnp.ones(1),)], "none": None, "count": jnp.arange(3), "flag": True},
    "keys": {"s": jnp.ones(2), "key": jax.random.key(0)},
}


@every_case
@pytest.mark.parametrize("tree", TREES)
def test_every_kind_of_tree(case, tree):
    params = TREES[tree]
    tx = case.make()
    if case.name == "freeze":
        tx = gx.freeze(lambda path, leaf: path.startswith("s/0"), gx.trace(0.9))
    if case.name == "add_decayed_weights":
        tx = gx.add_decayed_weights(0.1)
    grads = jax.tree.map(lambda p: jnp.ones_like(p) if trainable(p) else None, params)
    state = tx.init(params)
    updates, new = tx.update(grads, state, params, value_fn=loss)
    chex.assert_trees_all_equal_shapes_and_dtypes(state, new)
    moved = gx.apply_updates(params, updates)
    assert jax.tree.structure(moved) == jax.tree.structure(params)
    for before, after in zip(jax.tree.leaves(params), jax.tree.leaves(moved), strict=True):
        assert jnp.shape(before) == jnp.shape(after)
        if not trainable(before):
            assert before is after
        else:
            assert bool(jnp.all(jnp.isfinite(after)))


def trainable(leaf):
    return (
        jnp.issubdtype(jnp.asarray(leaf).dtype, jnp.inexact) if not isinstance(leaf, jax.Array) else jnp.issubdtype(leaf.dtype, jnp.inexact)
    )


@every_case
def test_integer_leaves_keep_float0_and_zero_gradients(case):
    params = {"s": jnp.ones(2), "n": jnp.arange(3), "m": jnp.arange(2)}
    tx = gx.freeze(lambda path, leaf: path == "q", gx.trace(0.9)) if case.name == "freeze" else case.make()
    tx = gx.add_decayed_weights(0.1) if case.name == "add_decayed_weights" else tx
    grads = {"s": jnp.ones(2), "n": np.zeros(3, jax.dtypes.float0), "m": jnp.ones(2, jnp.int32)}
    updates, _ = tx.update(grads, tx.init(params), params, value_fn=loss)
    assert updates["n"].dtype == jax.dtypes.float0
    np.testing.assert_array_equal(updates["m"], 0)
    np.testing.assert_array_equal(gx.apply_updates(params, updates)["n"], params["n"])


@every_case
def test_complex_equals_real_and_imaginary_parts(case):
    tx = case.make()
    tx = gx.freeze("t*", gx.trace(0.9)) if case.name == "freeze" else tx
    parts = {
        "w": {"real": jnp.array([[1.0, -2.0]]), "imag": jnp.array([[0.5, 1.5]])},
        "t": {"real": jnp.array(0.3), "imag": jnp.array(-1.0)},
    }

    def joined(parts):
        return jax.tree.map(lambda z: jax.lax.complex(z["real"], z["imag"]), parts, is_leaf=lambda z: "real" in z)

    def of_parts(parts):
        z = joined(parts)
        return jnp.sum(jnp.abs(z["w"] - 1j) ** 2) + jnp.abs(z["t"]) ** 2 + jnp.sum(z["w"].real * z["w"].imag)

    def of_complex(z):
        return jnp.sum(jnp.abs(z["w"] - 1j) ** 2) + jnp.abs(z["t"]) ** 2 + jnp.sum(z["w"].real * z["w"].imag)

    def run(f, params, conjugate):
        state = tx.init(params)
        for _ in range(3):
            grads = jax.tree.map(jnp.conj, jax.grad(f)(params)) if conjugate else jax.grad(f)(params)
            updates, state = tx.update(grads, state, params, value_fn=f)
            params = gx.apply_updates(params, updates)
        return params

    chex.assert_trees_all_close(run(of_complex, joined(parts), True), joined(run(of_parts, parts, False)), **TOLERANCE)


@every_case
def test_init_on_abstract_values_allocates_nothing_and_agrees(case):
    tx = case.make()
    abstract = jax.eval_shape(make_params)
    state = tx.init(abstract)
    assert all(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in jax.tree.leaves(state))
    chex.assert_trees_all_equal_shapes_and_dtypes(state, tx.init(make_params()))


@every_case
def test_init_aliases_nothing(case):
    params = make_params()
    state = case.make().init(params)
    leaves = [*jax.tree.leaves(params), *jax.tree.leaves(state)]
    pointers = [leaf.unsafe_buffer_pointer() for leaf in leaves]
    assert len(set(pointers)) == len(pointers)


@every_case
def test_chain_is_associative_and_identity_its_unit(case):
    a, b, c = gx.clip(0.5), case.make(), gx.scale(0.5)
    params = make_params()
    flat = gx.chain(a, b, c)
    assert gx.chain(a, gx.chain(b, c)) == gx.chain(gx.chain(a, b), c) == flat
    expected = compiled_train(flat, params, steps=3)
    for same in (gx.chain(gx.identity(), flat), gx.chain(flat, gx.identity()), gx.chain(a, gx.identity(), b, c)):
        chex.assert_trees_all_equal(compiled_train(same, params, steps=3), expected)
    chex.assert_trees_all_close(compiled_train(gx.chain(b), params, steps=3), compiled_train(b, params, steps=3), **TOLERANCE)


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


@every_case
def test_values_are_data(case):
    tx = case.make()
    assert jax.tree.unflatten(*reversed(jax.tree.flatten(tx))) == tx
    assert hash(tx) == hash(jax.tree.map(lambda leaf: leaf, tx))
    assert isinstance(tx, GradientTransformation)
    assert tx.replace() == tx
    if exempt(case, "spec"):
        with pytest.raises(TypeError, match="cannot be written as data"):
            gx.to_spec(tx)
    else:
        assert gx.from_spec(json.loads(json.dumps(gx.to_spec(tx)))) == tx
    if not exempt(case, "pickle"):
        assert pickle.loads(pickle.dumps(tx)) == tx
    if not exempt(case, "repr"):
        assert eval(repr(tx), {**vars(gx), "jax": jax}) == tx


@every_case
def test_state_names_the_parts_and_the_parameters(case):
    state = case.make().init(make_params())
    for path, leaf in jax.tree_util.tree_leaves_with_path(state):
        keys = [getattr(key, "key", getattr(key, "name", None)) for key in path]
        assert all(isinstance(key, str) for key in keys), keys
        if leaf.shape:
            assert keys[-1] in "wbs"


@every_case
def test_describe_counts_the_bytes_of_the_state(case):
    tx, params = case.make(), make_params()
    text = gx.describe(tx, jax.eval_shape(make_params))
    assert text == gx.describe(tx, params)
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(tx.init(params)))
    assert f"16 parameters, {size} B of state" in text


@every_case
def test_hyperparameters_are_the_numbers_in_force(case):
    tx = case.make()
    state = tx.init(make_params())
    assert sorted(jax.tree.leaves(gx.hyperparameters(tx, state))) == sorted(jax.tree.leaves(tx))


MODES = {
    "strict promotion": lambda: jax.numpy_dtype_promotion("strict"),
    "leak checking": jax.checking_leaks,
    "NaN checking": lambda: jax.debug_nans(True),
}


@every_case
def test_every_mode_of_jax_finds_nothing(case):
    def bowl(params):
        return sum(jnp.sum(leaf * leaf) for leaf in jax.tree.leaves(params))

    def two_steps(tx, params):
        state = tx.init(params)
        _, state = tx.update(jax.tree.map(jnp.zeros_like, params), state, params, value_fn=bowl)
        return tx.update(params, state, params, value_fn=bowl)

    for mode in MODES.values():
        with mode():
            jax.jit(lambda tx, params: two_steps(tx, params))(case.make(), make_params())


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


@every_case
def test_same_seed_same_numbers(case):
    params = make_params()
    chex.assert_trees_all_equal(compiled_train(case.make(), params, steps=3), compiled_train(case.make(), params, steps=3))
