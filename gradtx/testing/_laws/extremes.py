"""Extremes: zero, tiny, huge and non-finite gradients, and the last step count."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.numerics import LAST_STEP
from gradtx._core.trees import is_trainable, path_name
from gradtx._core.types import PyTree
from gradtx.testing import _problem
from gradtx.testing._case import Case
from gradtx.testing._compare import finite, shown
from gradtx.testing._law import NotApplicableError, Violation, law

FEW, SOME, MANY = 3, 200, 1000


def _filled(params: PyTree, value: float) -> PyTree:
    return jax.tree.map(lambda leaf: jnp.full_like(leaf, value) if is_trainable(leaf) else leaf, params)


def _in(dtype: Any, violation: Violation) -> Violation:
    return Violation(violation.expected, violation.seen, f"{violation.leaf} ({jnp.dtype(dtype).name})")


@law("Put an epsilon that the dtype can hold below every division, and compute in float32.")
def zero_gradients_do_no_harm(case: Case) -> None:
    """A weight that is not used for a thousand steps, in half precision too, leaves updates and state finite."""
    problems = {dtype: case.problem(dtype) for dtype in (jnp.float32, jnp.bfloat16, jnp.float16)}
    for (dtype, params), (state, fine) in zip(problems.items(), _idle(case, [*problems.values()]), strict=True):
        for (path, _), each in zip(jax.tree_util.tree_leaves_with_path(params), fine, strict=True):
            if not bool(jnp.all(each)):
                raise _in(dtype, Violation("finite updates", f"one that is not, at step {int(jnp.argmin(each))}", path_name(path)))
        try:
            finite({"state": state}, f"after {MANY} steps")
        except Violation as violation:
            raise _in(dtype, violation) from None


def _idle(case: Case, problems: list[PyTree]) -> list[tuple[PyTree, list[jax.Array]]]:
    """For each problem the state after many steps at gradients of zero, and for each leaf and step whether its update was finite."""

    def run(params: PyTree, state: PyTree) -> Any:
        zeros = _filled(params, 0.0)

        def body(state: PyTree, _: None) -> Any:
            updates, state = case.compiled_update(None, zeros, state, params)
            return state, [jnp.all(jnp.isfinite(leaf)) if is_trainable(leaf) else jnp.array(True) for leaf in jax.tree.leaves(updates)]

        return jax.lax.scan(body, state, None, length=MANY)

    states = [case.make().init(params) for params in problems]
    return jax.jit(lambda problems, states: [*map(run, problems, states)])(problems, states)


def _after(case: Case, params: PyTree, state: PyTree, gradient: float, steps: int = FEW) -> tuple[PyTree, PyTree]:
    """Updates and state after some steps at the same gradient everywhere."""
    grads = _filled(params, gradient)
    updates = grads
    for _ in range(steps):
        updates, state = case.compiled_update(None, grads, state, params)
    return updates, state


def _alive(case: Case, dtype: Any, value: float, later: float) -> None:
    """One step at `value`, a few at `later`: state and updates are finite, and every weight moves again."""
    params = case.problem(dtype)
    state = case.make().init(params)
    first, state = _after(case, params, state, value, 1)
    finite({"updates": first, "state": state}, f"at {value:g}")
    moves = _moves(case, params, later)
    updates, state = _after(case, params, state, later)
    finite({"updates": updates, "state": state}, f"{FEW} steps after {value:g}")
    for (path, leaf), moved in zip(jax.tree_util.tree_leaves_with_path(updates), moves, strict=True):
        if moved and is_trainable(leaf) and bool(jnp.all(leaf == 0)):
            raise Violation("an update that is not zero", shown(leaf), f"{path_name(path)}, {FEW} steps after {value:g}")


def _moves(case: Case, params: PyTree, value: float) -> list[bool]:
    """Which leaves move at such gradients when there was nothing before."""
    updates, _ = _after(case, params, case.make().init(params), value, FEW + 1)
    return [not is_trainable(leaf) or bool(jnp.any(leaf != 0)) for leaf in jax.tree.leaves(updates)]


@law("Keep what is a square or a variance from falling below zero: jnp.maximum(v, 0) before the root.")
def constant_gradients_do_no_harm(case: Case) -> None:
    """A gradient that is the same for two hundred steps, as of a linear loss, is no division by a variance that rounds below zero."""
    params = {"w": jnp.ones((16, 8)), "b": jnp.ones(8), "s": jnp.ones(())} if case.params is None else case.problem()
    grads = jax.tree.map(lambda leaf: _spread(leaf) if is_trainable(leaf) else leaf, params)
    moved, state = jax.tree.map(jnp.zeros_like, params), case.make().init(params)
    for _ in range(SOME):  # one program a step: in a scan XLA rounds otherwise
        updates, state = case.compiled_update(None, grads, state, params, _problem.bowl)
        moved = _problem.moved(moved, updates)
    finite({"sum of updates": moved, "state": state}, f"{SOME} steps at gradients between 0.1 and 1000")


def _spread(leaf: jax.Array) -> jax.Array:
    return jnp.linspace(0.1, 1000.0, leaf.size).reshape(leaf.shape).astype(leaf.dtype)


@law("Cut squares off before they overflow, and take norms of scaled values.")
def huge_gradients_pass(case: Case) -> None:
    """One finite gradient of 1e38 (1e4 in float16) leaves the state finite, and the weights move again afterwards."""
    for dtype, size in ((jnp.float32, 1e38), (jnp.bfloat16, 1e38), (jnp.float16, 1e4)):
        try:
            _alive(case, dtype, size, 1.0)
        except Violation as violation:
            raise _in(dtype, violation) from None


@law("Put an epsilon below every division, and compute in float32.")
def tiny_gradients_pass(case: Case) -> None:
    """Gradients of 1e-38 (6e-8 in float16), whose squares are zero, give finite updates and a finite state."""
    for dtype, size in ((jnp.float32, 1e-38), (jnp.bfloat16, 1e-38), (jnp.float16, 6e-8)):
        try:
            _alive(case, dtype, size, size)
        except Violation as violation:
            raise _in(dtype, violation) from None


@law("Count up with jnp.minimum(step, 2**31 - 2) + 1, and turn a count into a float before adding to it.")
def step_counts_stop_at_the_end(case: Case) -> None:
    """A run may go on after 2^31 - 1 steps: counts stay there instead of turning negative, and updates stay finite."""
    params = case.problem()
    state = case.make().init(params)
    counts = [leaf for leaf in jax.tree.leaves(state) if leaf.dtype == jnp.int32 and leaf.ndim == 0]
    if not counts:
        raise NotApplicableError("it counts nothing in its state")
    late = jax.tree.map(lambda leaf: jnp.int32(LAST_STEP - 1) if leaf.dtype == jnp.int32 and leaf.ndim == 0 else leaf, state)
    updates, late = _after(case, params, late, 0.5)
    for path, leaf in jax.tree_util.tree_leaves_with_path(late):
        if leaf.dtype == jnp.int32 and leaf.ndim == 0 and int(leaf) < 0:
            raise Violation("a count that stops", str(int(leaf)), path_name(path))
    finite({"updates": updates, "state": late}, f"at step {LAST_STEP}")


@law("Wrap it in skip_nonfinite if nothing of a bad step may stay; otherwise state what does (survives=).")
def a_nonfinite_gradient_reaches_no_further_than_stated(case: Case) -> None:
    """After one NaN in one leaf the others train on, unless it is stated that they do not: nothing spreads in silence."""
    params = case.problem()
    leaves, structure = jax.tree.flatten(params)
    bad = next((k for k, leaf in enumerate(leaves) if is_trainable(leaf)), None)
    if bad is None:
        raise NotApplicableError("it has no parameters")
    found: set[str] = set()
    for value in (jnp.nan, jnp.inf):
        poisoned = [jnp.full_like(leaf, value) if k == bad else leaf for k, leaf in enumerate(leaves)]
        updates, state = case.compiled_update(None, structure.unflatten(poisoned), case.make().init(params), params)
        for _ in range(FEW):
            updates, state = case.compiled_update(None, params, state, params)
        found.add(_survives(params, updates, state, bad))
    worst = next(kept for kept in ("none", "leaf", "all") if kept in found)
    if worst != case.survives:
        raise Violation(f"survives={case.survives!r}", f"survives={worst!r}")


def _survives(params: PyTree, updates: PyTree, state: PyTree, bad: int) -> str:
    """What is finite in the updates and the state: all, all but one leaf, or less."""
    path = jax.tree_util.tree_leaves_with_path(params)[bad][0]
    broken = [
        path_name(place)
        for place, leaf in jax.tree_util.tree_leaves_with_path((updates, state))
        if jnp.issubdtype(leaf.dtype, jnp.inexact) and not bool(jnp.all(jnp.isfinite(leaf)))
    ]
    if not broken:
        return "all"
    return "leaf" if all(place.split("/")[-1] == path_name(path) for place in broken) else "none"


@law("Keep the update finite, and add it to the parameter in float32 (gradtx.apply_updates).")
def small_steps_add_up(case: Case) -> None:
    """Parameters in half precision are moved with updates that were computed in float32: the state of a bfloat16 weight is not rounded."""
    wide, half = case.problem(jnp.float32), case.problem(jnp.bfloat16)
    wide = jax.tree.map(lambda leaf, narrow: narrow.astype(leaf.dtype) if is_trainable(leaf) else leaf, wide, half)
    grads = _filled(wide, 0.1)
    expected, found = ({"updates": grads, "state": case.make().init(params)} for params in (wide, half))
    for _ in range(FEW):
        for params, now in ((wide, expected), (half, found)):
            now["updates"], now["state"] = case.compiled_update(None, grads, now["state"], params)
    entries = jax.tree_util.tree_leaves_with_path(expected["updates"])
    for (path, want), have in zip(entries, jax.tree.leaves(found["updates"]), strict=True):
        if is_trainable(want) and not bool(jnp.allclose(want, have.astype(want.dtype), rtol=1e-4, atol=1e-6)):
            raise Violation(shown(want), shown(have), path_name(path))
