"""Every planted bug shows, its repaired twin is free of it, and no pair has the bug of another."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.planted import LARGEST, PLANTED, Planted

SAME = {"b": jnp.array([0.5, -0.25, 1.0]), "c": jnp.array([-0.5, 0.25, 2.0])}
PARAMS = {"w": jnp.linspace(-1.0, 1.5, 12).reshape(4, 3), **SAME, "s": jnp.float32(0.75)}
GRADIENT = {"w": jnp.linspace(-2.0, 1.0, 12).reshape(4, 3), "b": jnp.array([1.0, 0.0, -3.0]), "c": SAME["b"], "s": jnp.float32(-0.5)}
ZERO = jax.tree.map(jnp.zeros_like, GRADIENT)
Make = Callable[[Any], Any]


def cast(tree: Any, dtype: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf.astype(dtype), tree)


def filled(value: float, dtype: Any = jnp.float32) -> Any:
    return jax.tree.map(lambda leaf: jnp.full(leaf.shape, value, dtype), PARAMS)


def equal(a: Any, b: Any) -> bool:
    same = jax.tree.structure(a) == jax.tree.structure(b)
    return same and all(bool(jnp.array_equal(x, y)) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


def finite(tree: Any) -> bool:
    return all(bool(jnp.all(jnp.isfinite(x))) for x in jax.tree.leaves(tree) if jnp.issubdtype(x.dtype, jnp.inexact))


def total(params: Any) -> jax.Array:
    return sum((jnp.sum(leaf.real) for leaf in jax.tree.leaves(params) if jnp.issubdtype(leaf.dtype, jnp.inexact)), jnp.zeros(()))


def needed(tx: Any) -> dict[str, Any]:
    """The extras that its update needs."""
    extras = {"value": 1.0, "value_fn": lambda params: -total(params)}
    return {name: extra for name, extra in extras.items() if name in inspect.signature(tx.update).parameters}


def run(make: Make, *gradients: Any, params: Any = PARAMS) -> list[tuple[Any, Any]]:
    """The updates and the state after each of these gradients."""
    tx = make(0.1)
    state, seen = tx.init(params), []
    for gradient in gradients:
        updates, state = tx.update(gradient, state, params, **needed(tx))
        seen.append((updates, state))
    return seen


def raises(function: Callable[..., Any], *arguments: Any, **named: Any) -> bool:
    try:
        function(*arguments, **named)
    except Exception:  # whatever it says
        return True
    return False


def dtypes(state: Any) -> list[Any]:
    return [leaf.dtype for leaf in jax.tree.leaves(state)]


def aliases(make: Make) -> bool:
    state = make(0.1).init(PARAMS)
    arrays = [leaf for leaf in jax.tree.leaves((PARAMS, state)) if not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)]
    return len({array.unsafe_buffer_pointer() for array in arrays}) < len(arrays)


def init_reads_values(make: Make) -> bool:
    return raises(jax.eval_shape, make(0.1).init, PARAMS)


def is_impure(make: Make) -> bool:
    tx = make(0.1)
    once, again = (tx.update(GRADIENT, tx.init(PARAMS), PARAMS, **needed(tx))[0] for _ in range(2))
    return not equal(once, again)


def changes_its_arguments(make: Make) -> bool:
    tx = make(0.1)
    state = tx.init(PARAMS)
    before = jax.tree.map(lambda leaf: leaf, state)
    tx.update(GRADIENT, state, PARAMS, **needed(tx))
    return not equal(state, before)


def wraps(make: Make) -> bool:
    tx = make(0.1)
    state = jax.tree.map(lambda x: jnp.int32(LARGEST) if x.dtype == jnp.int32 else x, tx.init(PARAMS))
    return not finite(tx.update(GRADIENT, state, PARAMS, **needed(tx))[0])


def cannot_be_traced(make: Make) -> bool:
    tx = make(0.1)
    return raises(jax.jit(functools.partial(tx.update, **needed(tx))), GRADIENT, tx.init(PARAMS), PARAMS)


def loses_small_changes(make: Make) -> bool:
    lasts = []
    for dtype in (jnp.bfloat16, jnp.float32):
        (updates, _) = run(make, *[filled(1, dtype)] * 100, params=cast(PARAMS, dtype))[-1]
        lasts.append(np.asarray(updates["w"], np.float32))
    return not np.allclose(*lasts, rtol=0.01)


def broadcasts(make: Make) -> bool:
    return not raises(run, make, {**GRADIENT, "b": jnp.ones((3, 1))})


def drops_an_extra(make: Make) -> bool:
    tx = make(0.1)
    if "value" not in inspect.signature(tx.update).parameters:
        return False
    one, two = (tx.update(GRADIENT, tx.init(PARAMS), PARAMS, value=value)[0] for value in (1.0, 2.0))
    return equal(one, two)


def swallows_a_misspelling(make: Make) -> bool:
    tx = make(0.1)
    return not raises(tx.update, GRADIENT, tx.init(PARAMS), PARAMS, **needed(tx), valeu=1.0)


def changes_dtypes(make: Make) -> bool:
    for param, grad in ((jnp.float32, jnp.bfloat16), (jnp.bfloat16, jnp.float32)):
        params = cast(PARAMS, param)
        before, (_, after) = make(0.1).init(params), run(make, cast(GRADIENT, grad), params=params)[0]
        if jax.tree.structure(before) == jax.tree.structure(after) and dtypes(before) != dtypes(after):
            return True
    return False


def updates_in_another_dtype(make: Make) -> bool:
    return set(dtypes(run(make, cast(GRADIENT, jnp.bfloat16))[0][0])) != {jnp.dtype(jnp.bfloat16)}


def first_update_ignores_its_gradient(make: Make) -> bool:
    there, back = (run(make, gradient)[0][0] for gradient in (GRADIENT, jax.tree.map(jnp.negative, GRADIENT)))
    return equal(there, back)


def departs(case: Planted, make: Make) -> float:
    """How far ten steps are from the reference, relative to its movement."""
    gradients = [jax.tree.map(lambda g, k=k: g * (1 + k % 3), GRADIENT) for k in range(10)]
    ours = np.cumsum([np.asarray(updates["w"], np.float64) for updates, _ in run(make, *gradients)], axis=0)
    theirs = np.stack(list(case.reference(np.zeros((4, 3)), [np.asarray(g["w"], np.float64) for g in gradients], 0.1)))
    return float(np.max(np.abs(ours - theirs)) / np.max(np.abs(theirs)))


def repeats_its_noise(make: Make) -> bool:
    (first, _), (second, _) = run(make, ZERO, ZERO, params=ZERO)
    return equal(first, second) and not equal(first, ZERO)


def shares_its_noise(make: Make) -> bool:
    updates, _ = run(make, ZERO)[0]
    return equal(updates["b"], updates["c"]) and bool(jnp.any(updates["b"] != 0))


def mixes_a_batch(make: Make) -> bool:
    def first(gradient: Any) -> Any:
        return run(make, gradient)[0][0]

    members = [jax.tree.map(lambda g, k=k: k * g, GRADIENT) for k in (1, 10)]
    together = jax.vmap(first)(jax.tree.map(lambda *g: jnp.stack(g), *members))
    alone = [first(member) for member in members]
    return not all(np.allclose(together["w"][k], alone[k]["w"], rtol=1e-5) for k in range(2))


def is_weakly_typed(make: Make) -> bool:
    return any(getattr(leaf, "weak_type", False) for leaf in jax.tree.leaves(make(0.1).init(PARAMS)))


def changes_structure(make: Make) -> bool:
    (_, first), (_, second) = run(make, GRADIENT, GRADIENT)
    structures = {jax.tree.structure(state) for state in (make(0.1).init(PARAMS), first, second)}
    return len(structures) > 1


def has_no_derivative(make: Make) -> bool:
    def total(size: jax.Array) -> jax.Array:
        (updates, _) = run(make, jax.tree.map(lambda g: size * g, GRADIENT))[0]
        return sum(jnp.sum(leaf) for leaf in jax.tree.leaves(updates))

    return not finite(jax.grad(total)(1.0))


def fails_at_zero(make: Make) -> bool:
    return not all(finite(run(make, filled(0, d), params=cast(PARAMS, d))[0][0]) for d in (jnp.float16, jnp.bfloat16, jnp.float32))


def keeps_nan(make: Make) -> bool:
    return not finite(run(make, filled(jnp.nan), *[GRADIENT] * 4)[-1][0])


def dies_of_a_large_gradient(make: Make) -> bool:
    later = run(make, filled(1e38), *[GRADIENT] * 3)[1:]
    return not finite(later) or equal([updates for updates, _ in later[1:]], [ZERO, ZERO])


def trains_integers(make: Make) -> bool:
    params = {"n": jnp.array([5, 5]), "w": jnp.ones(2)}
    updates, _ = run(make, {"n": jnp.ones(2), "w": jnp.ones(2)}, params=params)[0]
    return bool(jnp.any(updates["n"] != 0))


def dies_of_a_constant_gradient(make: Make) -> bool:
    """Compiled, where a product and a sum are rounded once."""
    tx = make(0.1)
    state, update, seen = tx.init(PARAMS), jax.jit(functools.partial(tx.update, **needed(tx))), []
    for _ in range(80):
        updates, state = update(filled(3.3), state, PARAMS)
        seen.append(updates)
    return not finite(seen)


def refuses_extras(make: Make) -> bool:
    tx = make(0.1)
    return raises(tx.update, GRADIENT, tx.init(PARAMS), PARAMS, **{**needed(tx), "value": 1.0})


def does_without_parameters(make: Make) -> bool:
    tx = make(0.1)
    state = tx.init(PARAMS)
    if raises(tx.update, GRADIENT, state, **needed(tx)):
        return False
    once, again, without = (tx.update(GRADIENT, tx.init(PARAMS), *params, **needed(tx))[0] for params in ((PARAMS,), (PARAMS,), ()))
    return equal(once, again) and not equal(once, without)


def computes_nan(make: Make) -> bool:
    with jax.debug_nans(True):
        return raises(run, make, ZERO)


def reads_its_schedule_elsewhere(make: Make) -> bool:
    counts: list[int] = []

    def rate(count: jax.Array) -> jax.Array:
        counts.append(int(count))
        return jnp.float32(0.1)

    return not raises(lambda: make(rate).update(GRADIENT, make(rate).init(PARAMS), PARAMS)) and len(set(counts)) > 1


def needs_its_rate_known(make: Make) -> bool:
    return raises(jax.eval_shape, lambda rate: run(lambda _: make(rate), GRADIENT)[0][0], 0.1)


def needs_its_integers_known(make: Make) -> bool:
    def first(**integers: Any) -> Any:
        return run(lambda rate: make(rate, **integers), GRADIENT)[0][0]

    defaults = {name: parameter.default for name, parameter in inspect.signature(make).parameters.items()}
    return any(raises(jax.eval_shape, first, **{name: default}) for name, default in defaults.items() if isinstance(default, int))


def tries_one_direction(make: Make) -> bool:
    """Of a search, where the loss falls along its first draw or along the opposite."""
    if "value_fn" not in needed(make(0.1)):
        return False
    for loss in (total, lambda params: -total(params)):
        tx, seen = make(0.1), []
        state = tx.init(PARAMS)
        for _ in range(6):
            updates, state = tx.update(ZERO, state, PARAMS, value_fn=loss)
            seen.append(updates)
        moves = [updates for updates in seen if not equal(updates, ZERO)]
        if len(moves) > 1 and all(equal(moves[0], other) for other in moves):
            return True
    return False


def mixes_dtypes(make: Make) -> bool:
    with jax.numpy_dtype_promotion("strict"):
        return raises(jax.eval_shape, lambda gradient: run(make, gradient)[0][0], GRADIENT)


def leaks(make: Make) -> bool:
    tx = make(0.1)
    with jax.checking_leaks():
        return raises(jax.jit(functools.partial(tx.update, **needed(tx))), GRADIENT, tx.init(PARAMS), PARAMS)


def shares_its_state(make: Make) -> bool:
    tx = make(0.1)
    one, other = (jax.tree.leaves(tx.init(jax.tree.map(jnp.copy, PARAMS))) for _ in range(2))
    return any(a is b for a, b in zip(one, other, strict=True))


def joins_parts(make: Make) -> bool:
    real, imag = jnp.array([3.0, 0.5]), jnp.array([4.0, -0.25])
    apart = {"real": real, "imag": imag}
    (whole, _), (parts, _) = (run(make, tree, params=tree)[0] for tree in ({"z": jax.lax.complex(real, imag)}, apart))
    return not np.allclose(whole["z"], jax.lax.complex(parts["real"], parts["imag"]), atol=0.01)


def goes_by_place(make: Make) -> bool:
    twice = {"b": GRADIENT["b"], "c": GRADIENT["b"]}
    updates, _ = run(make, twice, params=SAME)[0]
    return not np.allclose(updates["b"], updates["c"], atol=0.01)


SYMPTOMS: dict[str, Callable[[Make], bool]] = {
    "init returns its parameters": aliases,
    "init reads values": init_reads_values,
    "state in a closure": is_impure,
    "state changed in place": changes_its_arguments,
    "counter that wraps": wraps,
    "branch on values": cannot_be_traced,
    "moments in the parameters' dtype": loses_small_changes,
    "broadcast gradient": broadcasts,
    "extra dropped by a chain": drops_an_extra,
    "misspelt extra swallowed": swallows_a_misspelling,
    "memory in the gradient's dtype": changes_dtypes,
    "updates in another dtype": updates_in_another_dtype,
    "update of the step before": first_update_ignores_its_gradient,
    "key used at every step": repeats_its_noise,
    "key used for every leaf": shares_its_noise,
    "statistic of the whole batch": mixes_a_batch,
    "weakly typed state": is_weakly_typed,
    "structure that changes": changes_structure,
    "root of zero": has_no_derivative,
    "epsilon that underflows": fails_at_zero,
    "sum emptied by multiplication": keeps_nan,
    "square that overflows": dies_of_a_large_gradient,
    "integers trained": trains_integers,
    "variance below zero": dies_of_a_constant_gradient,
    "extras of others refused": refuses_extras,
    "decay left out in silence": does_without_parameters,
    "NaN in the branch not taken": computes_nan,
    "schedule at two counts": reads_its_schedule_elsewhere,
    "number compared in Python": needs_its_rate_known,
    "integer compared in Python": needs_its_integers_known,
    "search with one draw": tries_one_direction,
    "integer among floats": mixes_dtypes,
    "gradients kept in a list": leaks,
    "one array for every state": shares_its_state,
    "complex number as one": joins_parts,
    "rule by place": goes_by_place,
}
COMES_WITH = {
    "NaN in the branch not taken": {"root of zero"},
    "search with one draw": {"key used at every step"},
}
"""A derivative of what is not chosen is NaN too; draws are noise."""

every_bug = pytest.mark.parametrize("case", PLANTED, ids=lambda case: case.name)


def expected(case: Planted, broken: bool) -> set[str]:
    """The symptoms that a pair should have: its own if it is broken, and what comes with what it is."""
    own = {case.name} & set(SYMPTOMS) | COMES_WITH.get(case.name, set()) if broken else set()
    averages = {"sum emptied by multiplication"} if case.averages else set()
    reads_no_gradient = {"update of the step before"} if "value_fn" in case.extras else set()
    return own | averages | reads_no_gradient


@every_bug
@pytest.mark.parametrize("broken", [True, False], ids=["broken", "twin"])
def test_a_pair_has_its_own_symptom_and_no_other(case, broken):
    make = case.broken if broken else case.twin
    untraceable = broken and case.name == "branch on values"  # and so it runs in no batch and in no program
    traced = (mixes_a_batch, dies_of_a_constant_gradient, needs_its_rate_known, mixes_dtypes, leaks)
    compared = (loses_small_changes,)  # of a search, which compares losses in the precision of the parameters
    left_out = traced if untraceable else compared if "value_fn" in case.extras else ()
    found = {name for name, shows in SYMPTOMS.items() if shows not in left_out and shows(make)}
    assert found == expected(case, broken)


@pytest.mark.parametrize("case", [case for case in PLANTED if case.reference], ids=lambda case: case.name)
def test_a_trajectory_is_the_references_but_for_the_bug(case):
    assert departs(case, case.twin) < 1e-6
    assert departs(case, case.broken) > 1e-2


def test_every_bug_has_a_symptom_or_a_reference():
    names = [case.name for case in PLANTED]
    assert len(names) == len(set(names))
    assert set(names) == {*SYMPTOMS, *(case.name for case in PLANTED if case.reference)}
    assert set(SYMPTOMS) <= set(names)
