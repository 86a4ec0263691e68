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
from tests.strategies import (
    call_mine,
    courses,
    examples,
    freeze_nothing,
    grouped,
    parts,
    problems,
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


@examples(60)
@given(whole(functions=False))
def test_optimizers_are_data(tx):
    assert gx.from_spec(json.loads(json.dumps(gx.to_spec(tx)))) == tx
    assert pickle.loads(pickle.dumps(tx)) == tx
    assert jax.tree.unflatten(*reversed(jax.tree.flatten(tx))) == tx
    assert eval(repr(tx), {**vars(gx), "jax": jax}) == tx
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
