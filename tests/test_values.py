"""Arguments of every kind are accepted, refused, written, changed and saved as what their annotations say."""

import collections
import copy
import functools
import json
import pickle
import re
from typing import Annotated, Literal, NamedTuple, Optional

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import gradtx as gx
from gradtx import testing
from gradtx.testing._laws.values import every_name

PARAMS = {"w": jnp.arange(12.0).reshape(4, 3), "b": jnp.ones(3)}


def scaled(factor):
    return gx.stateless(lambda updates: jax.tree.map(lambda u: factor * u, updates))


@gx.transformation
def in_turn(rate: gx.Number, *parts: gx.GradientTransformation, name: str = "x"):
    """The parts one after the other, then a factor."""
    return gx.chain(*parts, scaled(rate))


@gx.transformation
def by_factors(*factors: gx.Number, sign: gx.Number = 1.0):
    return gx.chain(*(scaled(factor) for factor in factors), scaled(sign))


@gx.transformation
def of_tuple(parts: tuple[gx.GradientTransformation, ...], factors: tuple[float, ...] = (1.0,)):
    return gx.chain(*parts, *(scaled(factor) for factor in factors))


@gx.transformation
def of_pair(both: tuple[gx.Positive, gx.GradientTransformation], names: tuple[str, ...] = ("a",)):
    return gx.chain(scaled(both[0]), both[1])


@gx.transformation
def with_optional(
    inner: gx.GradientTransformation | None = None,
    moment: Optional[gx.Moment] = None,  # noqa: UP045 (the older spelling is read as well)
    schedule: gx.Schedule | None = None,
    tree: gx.Tree | None = None,
    key: gx.Key | None = None,
    number: gx.Positive = None,
    noted: Annotated[float | None, "in steps"] = 2.0,
    mode: Literal["fast", "slow"] | None = None,
):
    """Whatever is given, after the other; a number that is None leaves the updates as they are."""
    parts = [part for part in (inner, moment) if part is not None]
    factor = 1.0 if number is None else number
    factor = factor if schedule is None else factor * schedule(1.0)
    return gx.chain(*parts, *([] if tree is None else [gx.scale_by_tree(tree)]), scaled(factor))


@gx.transformation
def in_axes(axes: int | tuple[int, ...] | None = None, order: tuple[int, ...] = (0, 1), labels: tuple[str, ...] | None = None):
    """Structure in tuples."""
    return gx.identity()


@gx.transformation
def under(*names: str, inner: gx.GradientTransformation | gx.Number = 1.0):
    """A transformation or a factor."""
    return gx.chain(inner if isinstance(inner, gx.GradientTransformation) else scaled(inner))


@gx.transformation
def by_place(first: gx.Number, /, second: gx.Number = 1.0):
    return scaled(first * second)


VALUES = [
    in_turn(0.5, gx.trace(0.9), gx.clip(1.0), name="y"),
    in_turn(0.5),
    in_turn(gx.linear_schedule(0.0, 1.0, 10), gx.chain(gx.trace(0.9), gx.scale(2.0))),
    by_factors(2.0, jnp.float32(3.0), sign=-1.0),
    by_factors(),
    of_tuple((gx.trace(0.9), gx.scale(2.0)), (3.0, gx.constant_schedule(2.0))),
    of_tuple([gx.trace(0.9)], [jnp.float32(2.0)]),
    of_tuple(()),
    of_pair((2.0, gx.trace(0.5)), ("a", "b")),
    with_optional(),
    with_optional(gx.scale(2.0), gx.ema(0.9), gx.linear_schedule(0.0, 1.0, 2), {"w": 2.0, "b": jnp.ones(3)}, 3, 2.0, None, "slow"),
    by_place(2.0, 3.0),
    in_axes(),
    in_axes(0, [1, 0], ["a", "b"]),
    in_axes((0, 1), (np.int64(1),), ()),
    under("a", "b", inner=gx.trace(0.9)),
    under(inner=gx.linear_schedule(1.0, 0.0, 10)),
    under("a", inner=2.0),
]

every_value = pytest.mark.parametrize("tx", VALUES, ids=str)


def updates_of(tx):
    return tx.update(PARAMS, tx.init(PARAMS), PARAMS)[0]


def assert_same(left, right):
    jax.tree.map(np.testing.assert_array_equal, left, right)


@every_value
def test_its_repr_makes_it_again(tx):
    assert eval(repr(tx), {**every_name(), **globals()}) == tx
    assert tx.form.name in str(tx)


def test_what_is_printed_may_name_what_nobody_has_used_yet(monkeypatch):
    """Names are imported at their first use, and `2 * schedule` uses one that is not written there."""
    monkeypatch.delitem(vars(gx), "scaled_schedule", raising=False)
    assert testing.check(gx.scale(2.0 * gx.linear_schedule(1.0, 0.0, 5)), laws=["repr_is_the_call"])


@every_value
def test_it_survives_a_pickle_a_copy_a_spec_and_a_replacement(tx):
    for again in (
        pickle.loads(pickle.dumps(tx)),
        copy.deepcopy(tx),
        gx.from_spec(json.loads(json.dumps(gx.to_spec(tx)))),
        tx.replace(),
        jax.tree.unflatten(jax.tree.structure(tx), jax.tree.leaves(tx)),
    ):
        assert again == tx
        assert hash(again) == hash(tx)
        assert_same(updates_of(again), updates_of(tx))


@every_value
def test_its_numbers_are_leaves_that_may_be_traced(tx):
    assert_same(jax.jit(lambda tx: tx.update(PARAMS, tx.init(PARAMS), PARAMS)[0])(tx), updates_of(tx))
    if jax.tree.leaves(tx):
        doubled = jax.tree.map(lambda leaf: jnp.stack([jnp.asarray(leaf)] * 2), tx)
        both = jax.vmap(lambda tx: tx.update(PARAMS, tx.init(PARAMS), PARAMS)[0])(doubled)
        jax.tree.map(lambda pair, one: np.testing.assert_allclose(pair[1], one, rtol=1e-6), both, updates_of(tx))


def test_it_runs_as_the_chain_it_stands_for():
    parts = (gx.trace(0.9), gx.scale(2.0))
    expected = updates_of(gx.chain(*parts, gx.scale(0.5)))
    assert_same(updates_of(in_turn(0.5, *parts)), expected)
    assert_same(updates_of(of_tuple(parts, (0.5,))), expected)
    assert_same(updates_of(by_factors(2.0, 0.5, sign=-1.0)), jax.tree.map(jnp.negative, PARAMS))
    assert_same(updates_of(with_optional(schedule=gx.linear_schedule(0.0, 1.0, 2))), jax.tree.map(lambda u: 0.5 * u, PARAMS))


def test_arguments_by_their_place_are_read_and_changed_by_name():
    tx = in_turn(0.5, gx.trace(0.9), name="y")
    assert repr(tx) == "in_turn(0.5, trace(decay=0.9), name='y')"
    assert tx.replace(rate=2.0, parts=[gx.clip(1.0)]) == in_turn(2.0, gx.clip(1.0), name="y")
    with pytest.raises(AttributeError, match=r"in_turn has no argument 'part' \(did you mean 'parts'\?\)"):
        tx.part  # noqa: B018
    with pytest.raises(TypeError, match=r"in_turn has no argument 'raet' \(did you mean 'rate'\?\)"):
        tx.replace(raet=2.0)
    with pytest.raises(TypeError, match="in_turn: parts must be a tuple, got 3"):
        tx.replace(parts=3)
    with pytest.raises(TypeError, match=r"in_turn: parts\[1\] must be a transformation"):
        in_turn(0.5, gx.trace(0.9), 3)


def test_hyperparameters_in_tuples_are_read_by_name_of_the_part():
    tx = of_tuple((gx.scale(gx.linear_schedule(0.0, 1.0, 2)), gx.trace(0.9)), (gx.linear_schedule(1.0, 0.0, 2), 3.0))
    state = {**tx.init(PARAMS), "step": jnp.int32(1)}
    found = gx.hyperparameters(tx, state)["of_tuple"]
    assert found == {"parts": {"scale": {"step_size": 0.5}, "trace": {"decay": 0.9}}, "factors": (0.5, 3.0)}
    assert gx.hyperparameters(with_optional(), with_optional().init(PARAMS)) == {"with_optional": {"noted": 2.0}}


def test_a_wrapper_with_optional_or_several_parts_is_described_and_asked_for_extras():
    tx = gx.chain(in_turn(0.5, gx.adam(0.1)), with_optional(gx.chain(gx.trace(0.9))))
    assert "15 parameters" in gx.describe(tx, PARAMS)
    with pytest.raises(TypeError, match="no transformation takes an extra called 'bogus'"):
        tx.update(PARAMS, tx.init(PARAMS), PARAMS, bogus=1.0)


NONE = "got None (NoneType). Write the number"
REFUSED = {
    "None for a number": (lambda: gx.adam(None), "adam: learning_rate must be a number, an array or a schedule, " + NONE),
    "None for a decay": (lambda: gx.adam(0.1, b1=None), "adam: b1 must be a number, an array or a schedule, " + NONE),
    "None in a tuple": (lambda: of_tuple((), (1.0, None)), "of_tuple: factors[1] must be a number, an array or a schedule, " + NONE),
    "None for a schedule": (lambda: gx.shifted_schedule(None, 1), "shifted_schedule: schedule must be a number, an array or a schedule"),
    "None for a tree": (lambda: gx.scale_by_tree(None), "scale_by_tree: factors must be a tree of numbers, arrays or schedules, got None."),
    "None for a transformation": (lambda: of_pair((1.0, None)), "of_pair: both[1] must be a transformation"),
    "one for a tuple": (lambda: of_tuple(gx.trace(0.9)), "of_tuple: parts must be a tuple, got trace(decay=0.9)"),
    "a tuple too long": (lambda: of_pair((1.0, gx.trace(0.9), 2.0)), "of_pair: both must be a tuple of 2, got 3."),
    "another in a tuple": (lambda: of_pair((-1.0, gx.trace(0.9))), "of_pair: both[0] must be finite and above 0, got -1.0"),
    "one schedule for several": (lambda: gx.join_schedules(3.0, ()), "join_schedules: schedules must be a tuple, got 3.0 (float)."),
    "no choice": (lambda: with_optional(mode="quick"), "with_optional: mode must be one of 'fast', 'slow', None, got 'quick'."),
    "missing before parts": (lambda: in_turn(), "in_turn: missing a required argument: 'rate'. Write in_turn(rate, *parts, name='x')."),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused(name):
    call, message = REFUSED[name]
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        call()


def test_a_factory_without_names_for_its_arguments_is_refused():
    with pytest.raises(TypeError, match=r"unnamed: the arguments of a factory have names of their own; \*\*numbers has none. List them."):

        @gx.transformation
        def unnamed(**numbers: gx.Number):
            return gx.identity()


def test_numbers_and_structure_in_one_tuple_are_refused():
    with pytest.raises(TypeError, match=r"mixes numbers or transformations with structure .* Make two arguments of it."):

        @gx.transformation
        def mixed(both: tuple[float, str]):
            return gx.identity()


@every_value
def test_its_arguments_cannot_be_changed_in_place(tx):
    before = repr(tx)
    for name in (*tx.arguments, "other"):
        with pytest.raises(TypeError, match="does not support item assignment"):
            tx.arguments[name] = 3.0
    with pytest.raises(AttributeError, match=r"is a value and cannot be changed; write tx = tx.replace\(rate=2.0\)"):
        tx.rate = 2.0
    for name in ("arguments", "form", *tx.arguments):
        with pytest.raises(AttributeError, match="is a value and cannot be changed"):
            delattr(tx, name)
    assert repr(tx) == before


@pytest.mark.parametrize("factors", [{"w": 1.0, "b": [2.0, 3.0]}, [1.0, {"w": 2.0}]], ids=["dict", "list"])
def test_a_tree_that_was_read_is_not_the_one_that_is_kept(factors):
    tx = gx.scale_by_tree(factors)
    before, read = hash(tx), tx.factors
    assert read == factors
    read[next(iter(read)) if isinstance(read, dict) else 0] = 9.0
    assert tx == gx.scale_by_tree(factors)
    assert (hash(tx), tx.factors) == (before, factors)


def test_no_code_of_users_takes_the_name_of_a_factory_of_gradtx():
    """Whatever `functools.wraps` has copied onto it: a spec of `sgd` makes sgd."""

    def plain(learning_rate: gx.LearningRate):
        return gx.sgd(learning_rate)

    body = gx.sgd.form.body
    copied = functools.wraps(body)(lambda learning_rate, momentum=gx.identity(), storage=None: gx.sgd(learning_rate))
    with pytest.raises(TypeError, match="sgd is a factory already"):
        gx.transformation(functools.wraps(gx.sgd)(plain))
    mine = gx.transformation(copied)
    assert mine.form.spec_name == f"{__name__}:sgd"
    assert gx.from_spec(gx.to_spec(gx.sgd(0.1))) == gx.sgd(0.1)
    assert gx.from_spec(gx.to_spec(mine(0.1))) == mine(0.1) != gx.sgd(0.1)


def test_the_mapping_that_made_a_value_is_not_its_own():
    given = dict(gx.trace(0.9).arguments)
    tx = type(gx.trace(0.9))(gx.trace.form, given)
    given["decay"] = 0.5
    assert tx == gx.trace(0.9)


KEYS = {
    "typed": jax.random.split(jax.random.key(0), 3),
    "raw": jax.random.key_data(jax.random.split(jax.random.key(0), 3)),
    "seeds": jnp.arange(3),
    "seeds that could be the words of a key": jnp.arange(5, dtype=jnp.uint32),
}


@pytest.mark.parametrize("keys", KEYS.values(), ids=KEYS)
def test_a_batch_of_keys_needs_vmap(keys):
    batch = gx.add_noise(0.1, 0.5, keys)
    with pytest.raises(ValueError, match=r"add_noise: key is an array of shape .* must be a scalar.* run it under jax.vmap"):
        batch.update(PARAMS, batch.init(PARAMS))
    members = jax.vmap(lambda key: updates_of(gx.add_noise(0.1, 0.5, key)))(keys)
    for k, key in enumerate(keys):
        alone = updates_of(gx.add_noise(0.1, 0.5, key))
        jax.tree.map(lambda member, one, k=k: np.testing.assert_allclose(member[k], one, rtol=3e-7, atol=1e-6), members, alone)


def test_every_form_of_one_key_is_the_same_key():
    expected = updates_of(gx.add_noise(0.1, 0.5, jax.random.key(7)))
    for key in (7, np.int64(7), jnp.int32(7), jax.random.PRNGKey(7), jax.random.key_data(jax.random.key(7))):
        assert_same(updates_of(gx.add_noise(0.1, 0.5, key)), expected)
    with jax.default_prng_impl("rbg"):
        expected = updates_of(gx.add_noise(0.1, 0.5, jax.random.key(7)))
        assert_same(updates_of(gx.add_noise(0.1, 0.5, jax.random.PRNGKey(7))), expected)


@pytest.mark.parametrize("axis", [-2, -1, 0, 1])
def test_an_output_axis_that_the_leaves_have(axis):
    updates = updates_of(gx.centralize(axis))
    np.testing.assert_allclose(updates["w"], PARAMS["w"] - PARAMS["w"].mean(1 - axis % 2, keepdims=True), atol=1e-6)
    assert_same(updates["b"], PARAMS["b"])


@pytest.mark.parametrize("axis", [-3, 2, 5])
def test_an_output_axis_that_a_leaf_lacks_is_refused(axis):
    tx = gx.centralize(axis)
    message = rf"centralize: output_axis={axis} is no axis of the leaf at net/w, which has shape \(4, 3\). Write -1"
    with pytest.raises(ValueError, match=message):
        tx.init({"net": PARAMS})
    with pytest.raises(ValueError, match=message):
        tx.update({"net": PARAMS}, gx.centralize().init({"net": PARAMS}))
    assert_same(tx.update({"b": PARAMS["b"]}, tx.init({"b": PARAMS["b"]}))[0]["b"], PARAMS["b"])


COMPLEX = {"python": 1 + 2j, "numpy": np.complex64(1 + 2j), "array": jnp.array(1 + 2j), "batch": np.array([1 + 2j, 1.0])}


@pytest.mark.parametrize("value", COMPLEX.values(), ids=COMPLEX)
def test_complex_numbers_are_refused_before_they_lose_a_part(value):
    refused = "must be real, got .*: its imaginary part would be lost. Write its real part."
    for make, where in [
        (lambda: gx.sgd(value), "sgd: learning_rate"),
        (lambda: gx.scale_by_tree({"w": value, "b": 1.0}), r"scale_by_tree: factors\['w'\]"),
        (lambda: gx.piecewise_constant_schedule((0.1, value), (3,)), r"piecewise_constant_schedule: values\[1\]"),
        (lambda: gx.shifted_schedule(value, 3), "shifted_schedule: schedule"),
        (lambda: 2 * gx.constant_schedule(1.0) * value, "scaled_schedule: factor"),
    ]:
        with pytest.raises(TypeError, match=f"{where} {refused}"):
            make()
    if hasattr(value, "dtype"):
        with pytest.raises(TypeError, match=f"sgd: learning_rate {refused}"):
            jax.jit(gx.sgd)(value)


OTHERS = {
    "a bool array": (lambda: gx.sgd(jnp.array([True, False])), "sgd: learning_rate must be a real number, got an array of shape (2,)"),
    "a traced bool": (lambda: jax.jit(gx.sgd)(True), "sgd: learning_rate must be a real number, got"),
    "a key for a number": (lambda: gx.sgd(jax.random.key(0)), "sgd: learning_rate must be a real number, got"),
    "a number beyond all floats": (lambda: gx.sgd(10**400), "sgd: learning_rate must be finite and at least 0, got 1000"),
    "a fraction for a key": (lambda: gx.add_noise(0.1, 0.5, np.float64(1.5)), "add_noise: key must be a random key or an integer seed"),
    "a fraction for an axis": (
        lambda: gx.centralize(0.5),
        "centralize: output_axis must be a Python integer, got",
    ),
    "a truth for an axis": (
        lambda: gx.centralize(True),
        "centralize: output_axis must be a Python integer, got",
    ),
    "a date": (lambda: gx.sgd(np.datetime64("2020-01-01")), "sgd: learning_rate must be a real number, got np.datetime64('2020-01-01')"),
    "a truth for a factor": (lambda: gx.scale_by_tree({"w": jnp.array(True)}), "scale_by_tree: factors['w'] must be a real number, got"),
    "a factor that is not finite": (lambda: gx.scale_by_tree({"w": np.inf}), "scale_by_tree: factors['w'] must be finite, got inf"),
    "a seed too large": (
        lambda: gx.add_noise(0.1, 0.5, 2**40),
        "add_noise: key must be a seed of at most 2147483647, got 1099511627776. Write 1099511627776 % 2**31, or a random key.",
    ),
    "an array for an axis": (
        lambda: gx.centralize(jnp.array(0)),
        "(ArrayImpl). Write a Python value, x.item() for one number; numbers that may be traced are annotated Number.",
    ),
    "a number for names": (lambda: of_pair((1.0, gx.trace(0.9)), 3), "of_pair: names must be a tuple, got 3 (int)."),
    "a number in names": (lambda: of_pair((1.0, gx.trace(0.9)), ("a", 3)), "of_pair: names[1] must be a string, got 3 (int)."),
    "a traced value in structure": (
        lambda: jax.jit(lambda x: in_axes(order=(1, x)).order)(0),
        "in_axes: order[1] is part of the optimizer's structure and cannot be traced",
    ),
    "a traced value in a tuple that might be a number": (
        lambda: jax.jit(lambda x: in_axes((x,)).axes)(0),
        "in_axes: axes is part of the optimizer's structure and must be hashable",
    ),
    "an array in structure": (
        lambda: structured((1, jnp.ones(2))),
        "structured: layout is part of the optimizer's structure and must be hashable, got (1, Array(",
    ),
    "a list for structure": (lambda: structured([1]), "must be hashable, got [1] (list). Write a tuple."),
    "a factor for a leaf that is not there": (
        lambda: gx.scale_by_tree({"w": 1.0}).init(PARAMS),
        "scale_by_tree: factors are no prefix of the tree of the updates",
    ),
    "a factor of another shape": (
        lambda: gx.scale_by_tree({"w": jnp.ones(3), "b": 1.0}).init(jax.eval_shape(lambda: PARAMS)),
        "scale_by_tree: factors have an array of shape (3,) and dtype float32 at w, where the updates have shape (4, 3).",
    ),
    "an array for a choice": (
        lambda: with_optional(mode=np.ones(2)),
        "with_optional: mode is part of the optimizer's structure and must be hashable",
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_another_type_is_refused(name):
    call, message = OTHERS[name]
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        call()


def test_an_array_of_integers_is_one_of_floats():
    for array in (jnp.array([1, 2]), np.array([1, 2], np.int64), np.array([1, 2], np.uint8)):
        assert gx.sgd(array) == gx.sgd(jnp.array([1.0, 2.0]))
    assert jax.eval_shape(gx.sgd, 1).learning_rate.dtype == jnp.float32
    assert float(jax.grad(lambda tx: updates_of(tx)["b"].sum())(gx.sgd(jnp.array(1))).learning_rate) == -3.0


def test_a_numpy_array_is_kept_as_it_was():
    array = np.array([0.1, 0.2])
    for tx in (gx.sgd(array), gx.scale_by_tree({"w": array})):
        before = hash(tx)
        (leaf,) = jax.tree.leaves(tx)
        array[0] = 5.0
        assert hash(tx) == before
        with pytest.raises(ValueError, match="read-only"):
            leaf[0] = 5.0
        array[0] = 0.1


def test_the_repr_of_wide_arrays_is_wide():
    tx = gx.sgd(np.array([0.1, 0.2]))
    assert eval(repr(tx), {**every_name(), "jax": jax, "numpy": np}) == tx


def test_seeds_may_be_as_large_as_integers_are():
    largest = 2**31 - 1
    for seed in (largest, -largest):
        assert np.all(np.isfinite(updates_of(gx.add_noise(0.1, 0.5, seed))["w"]))
    with jax.enable_x64(True):
        assert np.all(np.isfinite(updates_of(gx.add_noise(0.1, 0.5, 2**40))["w"]))


def test_a_schedule_in_an_unannotated_tree_is_evaluated():
    @gx.transformation
    def by_unannotated(factors):
        return gx.stateless(lambda updates: jax.tree.map(lambda u: factors["of"] * u, updates))

    assert_same(updates_of(by_unannotated({"of": gx.constant_schedule(2.0)})), jax.tree.map(lambda u: 2 * u, PARAMS))


def test_a_check_looks_at_several_arguments_of_a_transformation():
    def low_first(low, high):
        if np.any(low > high):
            raise ValueError(f"low={low} is above high={high}.")

    @gx.transformation(check=low_first)
    def between(low: gx.Number, high: gx.Number):
        return gx.stateless(lambda updates: jax.tree.map(lambda u: jnp.clip(u, low, high), updates))

    assert_same(updates_of(between(2.0, 5.0)), jax.tree.map(lambda u: jnp.clip(u, 2.0, 5.0), PARAMS))
    for wrong in (lambda: between(2.0, 1.0), lambda: between(2.0, 5.0).replace(high=1.0), lambda: between(jnp.array([0.0, 2.0]), 1.0)):
        with pytest.raises(ValueError, match=r"between: low=.* is above high=1.0."):
            wrong()
    assert jax.eval_shape(lambda low: updates_of(between(low, 1.0)), 2.0)["w"].shape == (4, 3)
    assert between(gx.constant_schedule(2.0), 1.0).high == 1.0


def test_a_numpy_integer_is_an_integer_of_the_structure():
    assert gx.centralize(np.int64(0)) == gx.centralize(0)


@gx.transformation
def structured(layout: object):
    """Any structure, which is kept."""
    return gx.identity()


class Point(NamedTuple):
    x: float
    y: float


DATA = [
    gx.scale_by_tree({1: 2.0, 10: jnp.ones(3), 2: {(0, "a"): 0.5, (1, "b"): 3.0}}),
    gx.scale_by_tree({"w": {True: 3.0, False: 4.0}, "b": {None: 1.0}, "x": {0.5: 1.0}, "factory": 1.0, "arguments": 2.0}),
    gx.scale_by_tree([{"pairs": 1.0}, (2.0, {"tuple": 3.0})]),
    gx.scale_by_tree({"w": jnp.ones((0, 3)), "b": np.float64(0.1) * np.ones(2)}),
    gx.scale_by_tree({"w": jnp.ones(2, jnp.bfloat16)}),
    structured((1, ("a", None, (2.5, True)), float("-inf"))),
]


@pytest.mark.parametrize("tx", DATA, ids=str)
def test_data_of_every_form_comes_back_through_json(tx):
    again = gx.from_spec(json.loads(json.dumps(gx.to_spec(tx))))
    assert again == tx
    assert jax.tree.structure(again) == jax.tree.structure(tx)
    assert [(jnp.shape(leaf), str(leaf.dtype)) for leaf in jax.tree.leaves(again) if hasattr(leaf, "dtype")] == [
        (jnp.shape(leaf), str(leaf.dtype)) for leaf in jax.tree.leaves(tx) if hasattr(leaf, "dtype")
    ]


def spec_of(factory="ema", **arguments):
    return {"factory": factory, "arguments": arguments}


def in_chain(*parts):
    return spec_of("chain", transformations={"tuple": list(parts)})


PART = "spec['arguments']['transformations']['tuple'][1]"
ONE_OF = "must be a spec with 'factory' and 'arguments', or one of {'float': "
MALFORMED = {
    "a list": ([1], "spec: A spec is a dict with 'factory' and 'arguments', got [1] (list)."),
    "nothing": (None, "spec: A spec is a dict with 'factory' and 'arguments', got None"),
    "no arguments": ({"factory": "ema"}, "spec: A spec is a dict with 'factory' and 'arguments', got the keys ['factory']."),
    "no factory": ({"arguments": {}}, "spec: A spec is a dict with 'factory' and 'arguments', got the keys ['arguments']."),
    "one key more": ({**spec_of(), "version": 1}, "got the keys ['factory', 'arguments', 'version']."),
    "factory no string": ({"factory": ["ema"], "arguments": {}}, "spec: No factory is called ['ema']"),
    "arguments a list": (
        {"factory": "ema", "arguments": [0.9]},
        "spec['arguments'] must be a dict by the names of ema's arguments, got [0.9]",
    ),
    "arguments by number": ({"factory": "ema", "arguments": {0: 0.9}}, "spec['arguments'] must be a dict by the names"),
    "a missing argument": (spec_of(), "spec: ema: missing a required argument: 'decay'. Write ema(decay)."),
    "a missing argument inside": (in_chain(spec_of(decay=0.9), spec_of()), f"{PART}: ema: missing a required argument: 'decay'"),
    "a missing argument before parts": (
        spec_of(f"{__name__}:in_turn", parts={"tuple": []}),
        "spec: in_turn: missing a required argument: 'rate'",
    ),
    "parts no tuple": (spec_of("chain", transformations=3), "spec: chain: transformations must be a tuple, got 3 (int)."),
    "parts a text": (spec_of("chain", transformations="ab"), "spec: chain: transformations must be a tuple, got 'ab' (str)."),
    "a value out of range": (in_chain(spec_of(decay=0.9), spec_of(decay=1.5)), f"{PART}: ema: decay must be in [0, 1), got 1.5"),
    "an unknown factory inside": (
        in_chain(spec_of(decay=0.9), spec_of("emma")),
        f"{PART}: No factory is called 'emma' (did you mean 'ema'?)",
    ),
    "half a spec inside": (
        in_chain(spec_of(decay=0.9), {"factory": "ema"}),
        f"{PART}: A spec is a dict with 'factory' and 'arguments', got the keys",
    ),
    "an unknown tag": (spec_of(decay={"flaot": "nan"}), f"spec['arguments']['decay'] {ONE_OF}"),
    "a tag almost right": (spec_of("chain", transformations={"tupel": []}), "got {'tupel': []} (dict) (did you mean 'tuple'?)."),
    "nesting that is no spec": (spec_of(decay={"a": {"b": 1}}), f"spec['arguments']['decay'] {ONE_OF}"),
    "nesting by number": (spec_of(decay={1: 2}), f"spec['arguments']['decay'] {ONE_OF}"),
    "a float that is none": (spec_of(decay={"float": "much"}), f"spec['arguments']['decay'] {ONE_OF}"),
    "a tuple of no list": (spec_of("chain", transformations={"tuple": 3}), f"spec['arguments']['transformations'] {ONE_OF}"),
    "a dict of a list": (spec_of("scale_by_tree", factors={"dict": [1]}), f"spec['arguments']['factors'] {ONE_OF}"),
    "pairs of one": (
        spec_of("scale_by_tree", factors={"pairs": [[1]]}),
        "spec['arguments']['factors']['pairs'][0] must be a list of a key and a value",
    ),
    "pairs with a list for a key": (
        spec_of("scale_by_tree", factors={"pairs": [[[1], 2]]}),
        "spec['arguments']['factors']['pairs'][0][0] must be hashable, a tuple and no list",
    ),
    "a ragged array": (spec_of(decay={"array": [[1.0], [1.0, 2.0]], "dtype": "float32"}), "spec['arguments']['decay'] is no array: "),
    "an array of objects": (spec_of(decay={"array": [1.0], "dtype": "object"}), "is no array: object is no dtype of numbers"),
    "an array of bools": (spec_of(decay={"array": [True], "dtype": "bool"}), "is no array: bool is no dtype of numbers"),
    "an unknown dtype": (spec_of(decay={"array": 1.0, "dtype": "float33"}), "spec['arguments']['decay'] is no array: "),
    "an array of another shape": (
        spec_of(decay={"array": [], "dtype": "float32", "shape": [3]}),
        "spec['arguments']['decay'] is no array: ",
    ),
    "a key of no method": (
        spec_of("add_noise", eta=1.0, gamma=0.5, key={"key": [0, 1], "impl": "dice"}),
        "spec['arguments']['key'] is no key: ",
    ),
    "a key too long": (
        spec_of("add_noise", eta=1.0, gamma=0.5, key={"key": [0, 1, 2], "impl": "threefry2x32"}),
        "spec['arguments']['key'] is no key: ",
    ),
    "an object": (
        spec_of(decay={0.9}),
        "spec['arguments']['decay'] must be JSON data (None, a bool, a number, a string, a list or a dict), got {0.9} (set).",
    ),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_spec_says_where_and_what_was_expected(name):
    spec, message = MALFORMED[name]
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        gx.from_spec(spec)


def test_a_spec_without_end_is_refused():
    endless = in_chain(spec_of(decay=0.9))
    endless["arguments"]["transformations"]["tuple"].append(endless)
    deep = []
    for _ in range(100_000):
        deep = [deep]
    for spec in (endless, spec_of(decay=deep)):
        with pytest.raises(ValueError, match="spec is nested too deeply, or contains itself"):
            gx.from_spec(spec)


def test_a_spec_is_json_to_the_letter():
    """NaN and infinity have no place in JSON, and an array for weights that are not trained may hold them."""
    tx = gx.scale_by_tree({"w": jnp.array([[jnp.nan, 1.0], [-jnp.inf, 2.0]])})
    assert gx.from_spec(json.loads(json.dumps(gx.to_spec(tx), allow_nan=False))) == tx


def test_hyperparameters_need_no_entry_of_a_part():
    tx = gx.skip_nonfinite(gx.sgd(0.1))
    expected = {"skip_nonfinite": {"inner": {"sgd": {"learning_rate": 0.1}}}}
    for state in (tx.init(PARAMS), {"step": 0}, {"step": 0, "skip_nonfinite": {"inner": jnp.ones(3)}}):
        assert gx.hyperparameters(tx, state) == expected


NO_DATA = {
    "a number": (lambda: gx.to_spec(5), "to_spec(tx): tx must be a transformation or a schedule of gradtx, got 5 (int)."),
    "a factory": (lambda: gx.to_spec(gx.ema), "It is a factory: call it, ema(decay)."),
    "another library's": (
        lambda: gx.to_spec(optax.adam(1e-3)),
        "Another library's optimizer is made of functions, which cannot be written as data.",
    ),
    "a NamedTuple": (
        lambda: gx.to_spec(gx.scale_by_tree({"w": Point(1.0, 2.0)})),
        "scale_by_tree: factors['w'] is Point(x=1.0, y=2.0) (Point), which cannot be written as data. Its names would be lost",
    ),
    "a NamedTuple of structure": (
        lambda: gx.to_spec(structured((1, Point(1.0, 2.0)))),
        "structured: layout[1] is Point(x=1.0, y=2.0) (Point), which",
    ),
    "an ordered dict": (lambda: gx.to_spec(gx.scale_by_tree(collections.OrderedDict(w=1.0))), "scale_by_tree: factors is OrderedDict"),
    "no state": (
        lambda: gx.hyperparameters(gx.adam(0.1), PARAMS),
        "hyperparameters(tx, state): state must be what tx.init(params) returns, a dict with 'step', got a dict with the keys ['w', 'b'].",
    ),
    "an array for a state": (lambda: gx.hyperparameters(gx.adam(0.1), jnp.ones(3)), "a dict with 'step', got an array of shape (3,)"),
    "a step that is none": (
        lambda: gx.hyperparameters(gx.adam(0.1), {"step": "3"}),
        "a dict with 'step', got a dict with the keys ['step'].",
    ),
    "no optimizer": (
        lambda: gx.hyperparameters(5, {"step": 0}),
        "hyperparameters(tx, state): tx must be a transformation of gradtx, got 5 (int).",
    ),
}


@pytest.mark.parametrize("name", NO_DATA)
def test_what_is_no_optimizer_or_no_data_is_refused(name):
    call, message = NO_DATA[name]
    with pytest.raises(TypeError, match=re.escape(message)):
        call()
