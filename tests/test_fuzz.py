"""A search for counterexamples to the laws: random trees, random numbers, random chains of parts.

Most steps run operation by operation (`jax.disable_jit`), where equal programs are equal to the last bit and nothing compiles.
"""

import itertools
import json
import pickle
import re
from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

import gradtx as gx
from gradtx.testing import _compare
from gradtx.testing._laws.values import every_name
from tests.strategies import (
    Problem,
    call_mine,
    courses,
    examples,
    freeze_nothing,
    grouped,
    parts,
    problems,
    rarer,
    whole,
    wrapped,
)

CALM = ("zero", "tiny", "ordinary")


def walk(tx, problem):
    """The updates of three steps, and the state behind them, operation by operation."""
    with problem.mode(), jax.disable_jit(), np.errstate(all="ignore"):
        params = problem.params()
        state, found = tx.init(params), []
        for step in range(3):
            updates, state = tx.update(problem.grads(step), state, params)
            found.append(updates)
        return found, state


def bag(state):
    """The arrays of a state, whatever they are called."""
    return Counter((leaf.dtype.name, leaf.shape, np.asarray(leaf).tobytes()) for leaf in jax.tree.leaves(state))


@examples(40)
@given(st.data(), parts())
def test_chain_is_associative(data, flat):
    assert data.draw(grouped(flat)) == gx.chain(*flat)


@examples(100)
@given(rarer)
def test_what_the_long_search_draws_can_be_made(tx):
    assert gx.chain(gx.clip(1.0), tx)


def refusal(make):
    try:
        make()
    except ValueError as error:
        return re.sub(r"part \d+|\d+ parts", "", str(error)).split(":")[0]
    return None


CLASHING = [gx.ema(0.9), gx.named("ema", gx.trace(0.9)), gx.named("ema_2", gx.trace(0.9)), gx.sgd(0.1), gx.add_decayed_weights(0.1)]


@examples(60)
@given(st.data(), st.lists(st.sampled_from(CLASHING), max_size=5))
def test_what_a_chain_refuses_it_refuses_in_every_grouping(data, flat):
    def grouping():
        cut = data.draw(st.integers(0, len(flat)))
        return gx.chain(gx.chain(*flat[:cut]), gx.chain(*flat[cut:]))

    assert refusal(grouping) == refusal(lambda: gx.chain(*flat))


@examples(6)
@given(st.data(), parts(), problems())
def test_identity_is_a_unit_anywhere(data, flat, problem):
    places = data.draw(st.lists(st.integers(0, len(flat)), min_size=1, max_size=2))
    longer = list(flat)
    for place in places:
        longer.insert(place, gx.identity())
    _compare.identical(walk(gx.chain(*flat), problem), walk(gx.chain(*longer), problem))


@examples(6)
@given(st.data(), parts(), problems(sizes=CALM))
def test_wrappers_around_any_parts_change_nothing_but_paths(data, flat, problem):
    around = gx.chain(*data.draw(wrapped(flat, [call_mine, gx.skip_nonfinite, freeze_nothing])))
    found, state = walk(gx.chain(*flat), problem)
    assume(all(bool(jnp.all(jnp.isfinite(leaf))) for leaf in trained(found, problem)))
    same, same_state = walk(around, problem)
    _compare.identical(found, same)
    more = bag(same_state) - bag(state)
    assert not bag(state) - bag(same_state)
    assert set(more) <= {("int32", (), np.int32(3).tobytes())}


def trained(steps, problem):
    leaves = jax.tree.leaves(problem.tree)
    return [leaf for updates in steps for own, leaf in zip(leaves, jax.tree.leaves(updates), strict=True) if own.trained]


@examples(8)
@given(whole(), problems())
def test_the_contract_of_state(tx, problem):
    with problem.mode():
        params, grads = problem.params(), problem.grads(0)
        state = tx.init(params)
        abstract = tx.init(jax.eval_shape(lambda: params))
        _compare.same_types(jax.tree.map(jax.typeof, state), abstract)
        pointers = [leaf.unsafe_buffer_pointer() for leaf in jax.tree.leaves((params, state)) if not is_key(leaf) and leaf.size]
        assert len(set(pointers)) == len(pointers)
        for leaf in jax.tree.leaves(state):
            assert leaf.dtype in (jnp.int32, jnp.float32, jnp.float64)
            assert not leaf.weak_type
        visible = [leaf for leaf in jax.tree.leaves(grads) if leaf.dtype != jax.dtypes.float0]

        def step(tx, state, params):
            return tx.update(grads, state, params)

        for _ in range(2):
            updates, after = jax.eval_shape(step, tx, state, params)
            _compare.same_types(state_types(state), after)
            state = after
        assert jax.tree.structure(updates) == jax.tree.structure(grads)
        kinds = [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(updates) if leaf.dtype != jax.dtypes.float0]
        assert kinds == [(leaf.shape, leaf.dtype) for leaf in visible]


def state_types(state):
    return jax.tree.map(lambda leaf: leaf if isinstance(leaf, jax.ShapeDtypeStruct) else jax.typeof(leaf), state)


def is_key(leaf):
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


@examples(3)
@given(whole(), problems(x64=True))
def test_traced_is_eager_to_the_last_bit(tx, problem):
    """In float64 mode, where a traced Python float is as wide as itself."""
    with problem.mode(), jax.disable_jit(), np.errstate(all="ignore"):
        params, grads = problem.params(), problem.grads(0)
        state = tx.init(params)
        eager = tx.update(grads, state, params)
        array = [leaf for leaf in jax.tree.leaves(grads) if leaf.dtype != jax.dtypes.float0]
        structure = jax.tree.structure(grads)
        still = [leaf if leaf.dtype == jax.dtypes.float0 else None for leaf in jax.tree.leaves(grads)]

        def step(tx, array, state, params):
            rest = iter(array)
            return tx.update(structure.unflatten([next(rest) if leaf is None else leaf for leaf in still]), state, params)

        traced, shapes = jax.make_jaxpr(step, return_shape=True)(tx, array, state, params)
        given = map(jnp.asarray, jax.tree.leaves((tx, array, state, params)))
        leaves = jax.core.eval_jaxpr(traced.jaxpr, traced.consts, *given)
        _compare.identical(eager, jax.tree.unflatten(jax.tree.structure(shapes), leaves))


@examples(2)
@given(whole(smooth=True), problems(sizes=("ordinary",), x64=True, mixed=False))
def test_compiled_is_eager(tx, problem):
    with problem.mode():
        params, grads = problem.params(), problem.grads(0)
        compiled = jax.jit(lambda tx, *rest: tx.update(*rest))(tx, grads, tx.init(params), params)
        with jax.disable_jit():
            eager = tx.update(grads, tx.init(params), params)
        _compare.close(eager, compiled, rtol=1e-7, atol=1e-9)


@examples(6)
@given(whole(), problems(sizes=("zero",)))
def test_zero_gradients_give_finite_updates(tx, problem):
    found, state = walk(tx, problem)
    _compare.finite(found, "updates")
    _compare.finite(state, "state")


@examples(5)
@given(whole(), problems(sizes=CALM))
def test_what_is_not_trained_stays_as_it_is(tx, problem):
    with problem.mode(), jax.disable_jit():
        params = problem.params()
        updates, _ = tx.update(problem.grads(0), tx.init(params), params)
        moved = gx.apply_updates(params, updates)
        assert jax.tree.structure(moved) == jax.tree.structure(params)
        for own, before, after in zip(*map(jax.tree.leaves, (problem.tree, params, moved)), strict=True):
            assert own.trained or before is after
            assert (before.shape, before.dtype) == (after.shape, after.dtype)


def rebuilt(tree):
    """The same tree, its dicts filled in another order and its lists made tuples: no path changes."""
    if isinstance(tree, dict):
        return {name: rebuilt(tree[name]) for name in reversed(tree)}
    return tuple(rebuilt(child) for child in tree) if isinstance(tree, list | tuple) else tree


@examples(4)
@given(whole(), problems())
def test_containers_and_orders_of_keys_change_nothing(tx, problem):
    other = Problem(problem.x64, rebuilt(problem.tree), problem.sizes, problem.wide)
    found, state = walk(tx, problem)
    same, same_state = walk(tx, other)
    _compare.identical(jax.tree.leaves(found), jax.tree.leaves(same))
    _compare.identical(jax.tree.leaves(state), jax.tree.leaves(same_state))


@examples(60)
@given(whole(functions=False))
def test_optimizers_are_data(tx):
    assert gx.from_spec(json.loads(json.dumps(gx.to_spec(tx)))) == tx
    assert pickle.loads(pickle.dumps(tx)) == tx
    assert jax.tree.unflatten(*reversed(jax.tree.flatten(tx))) == tx
    assert eval(repr(tx), {**every_name(), "jax": jax}) == tx
    assert hash(tx) == hash(jax.tree.map(lambda leaf: leaf, tx))
    assert str(tx)


SIZE = r"([\d.]+|[\d.]+e\+\d+) (B|kB)"


@examples(8)
@given(whole(), problems())
def test_describe_counts_every_byte_once(tx, problem):
    with problem.mode():
        params = problem.params()
        state = jax.eval_shape(lambda: tx.init(params))
        text = gx.describe(tx, params)
    _, leaves, slots, totals = text.split("\n\n")
    size = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
    count = sum(leaf.size for own, leaf in zip(jax.tree.leaves(problem.tree), jax.tree.leaves(params), strict=True) if own.trained)
    assert totals.startswith(f"{count:,} parameters, ")
    assume(size < 1000)
    assert f"{size} B of state" in totals
    of_leaves = sum(int(row.split()[-2]) for row in leaves.splitlines()[1:] if row.endswith(" B"))
    of_slots = [int(row.split()[-2]) for row in slots.splitlines()[1:]]
    assert sum(of_slots) == size
    assert of_leaves == sum(of_slots[:-1])


def test_describe_takes_no_count_for_a_slot_of_a_bare_leaf():
    """Found by the search: any scalar of the state has the structure of parameters that are one leaf."""
    for params, size in ((jnp.int32(1), 0), (jnp.arange(3), 0), (jnp.ones(3), 12)):
        slots = gx.describe(gx.adam(0.1), params).split("\n\n")[2]
        assert [row.split()[-2:] for row in slots.splitlines()[1:]] == [[str(size), "B"], [str(size), "B"], ["12", "B"]]


@examples(60)
@given(courses())
def test_schedules_go_from_their_first_value_to_their_last(course):
    with jax.disable_jit(), jax.enable_x64(True):
        corners = [0.0, *course.corners, course.end]
        for begin, end in itertools.pairwise(corners):
            jumps = np.diff(np.asarray(course.schedule(np.linspace(begin, end, 13)[:-1])))
            assert np.all(jumps >= -1e-9) or np.all(jumps <= 1e-9)
        np.testing.assert_allclose(course.schedule(0), course.first, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(course.schedule(course.end), course.last, rtol=1e-9, atol=1e-12)


@examples(3)
@given(whole(smooth=True), problems(sizes=("ordinary",), x64=True, mixed=False), st.floats(0.5, 0.99))
def test_vmap_over_two_members_is_a_loop(tx, problem, factor):
    with problem.mode(), jax.disable_jit():
        params, grads = problem.params(), problem.grads(0)
        leaves, structure = jax.tree.flatten(tx)
        both = [leaves, [leaf if is_count(leaf) else factor * leaf for leaf in leaves]]

        def two_steps(numbers):
            member = structure.unflatten(numbers)
            _, state = member.update(grads, member.init(params), params)
            return member.update(problem.grads(1), state, params)

        expected = [two_steps(numbers) for numbers in both]
        stacked = [jnp.stack([jnp.asarray(leaf) for leaf in pair]) for pair in zip(*both, strict=True)]
        found = jax.vmap(two_steps, axis_size=2)(stacked)
        for k in range(2):
            _compare.close(expected[k], jax.tree.map(lambda leaf, k=k: leaf[k], found), rtol=1e-8, atol=1e-10)


def is_count(leaf):
    return isinstance(leaf, int) or (hasattr(leaf, "dtype") and not jnp.issubdtype(leaf.dtype, jnp.floating))
