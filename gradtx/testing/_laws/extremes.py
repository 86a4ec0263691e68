"""Extremes: zero, tiny, huge and non-finite gradients, and the last step count."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.apply import apply_updates
from gradtx._core.numerics import LAST_STEP
from gradtx._core.trees import is_trainable, path_name
from gradtx._core.types import PyTree
from gradtx.testing._case import Case
from gradtx.testing._compare import finite, shown
from gradtx.testing._law import NotApplicableError, Violation, law

FEW, MANY = 3, 1000


def _filled(params: PyTree, value: float) -> PyTree:
    return jax.tree.map(lambda leaf: jnp.full_like(leaf, value) if is_trainable(leaf) else leaf, params)


def _in(dtype: Any, violation: Violation) -> Violation:
    return Violation(violation.expected, violation.seen, f"{violation.leaf} ({jnp.dtype(dtype).name})")


@law("Put an epsilon that the dtype can hold below every division, and compute in float32.")
def zero_gradients_do_no_harm(case: Case) -> None:
    """A weight that is not used for a thousand steps, in half precision too, leaves updates and state finite."""
    for dtype in (jnp.float32, jnp.bfloat16, jnp.float16):
        params = case.problem(dtype)
        zeros = _filled(params, 0.0)
        try:
            updates, state = case.compiled_update(case.numbers, zeros, case.make().init(params), params)
            finite({"updates": updates, "state": state}, "after 1 step")

            def body(state: Any, _: None) -> Any:
                updates, state = case.update(case.numbers, zeros, state, params)  # noqa: B023
                return state, [jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(updates) if is_trainable(leaf)]

            state, fine = jax.jit(lambda state: jax.lax.scan(body, state, None, length=MANY))(state)
            finite({"state": state}, f"after {MANY} steps")
            if not all(bool(jnp.all(each)) for each in fine):
                raise Violation("finite updates", "an update that is not", f"within {MANY} steps")
        except Violation as violation:
            raise _in(dtype, violation) from None


def _alive(case: Case, dtype: Any, value: float, later: float) -> None:
    """One step at `value`, a few at `later`: state and updates are finite, and every weight moves again."""
    params = case.problem(dtype)
    state = case.make().init(params)
    first, state = case.compiled_update(case.numbers, _filled(params, value), state, params)
    finite({"updates": first, "state": state}, f"at {value:g}")
    moves = _moves(case, params, later)
    for _ in range(FEW):
        updates, state = case.compiled_update(case.numbers, _filled(params, later), state, params)
    finite({"updates": updates, "state": state}, f"{FEW} steps after {value:g}")
    for (path, leaf), moved in zip(jax.tree_util.tree_leaves_with_path(updates), moves, strict=True):
        if moved and is_trainable(leaf) and bool(jnp.all(leaf == 0)):
            raise Violation("an update that is not zero", shown(leaf), f"{path_name(path)}, {FEW} steps after {value:g}")


def _moves(case: Case, params: PyTree, value: float) -> list[bool]:
    """Which leaves move at such gradients when there was nothing before."""
    state = case.make().init(params)
    for _ in range(FEW + 1):
        updates, state = case.compiled_update(case.numbers, _filled(params, value), state, params)
    return [not is_trainable(leaf) or bool(jnp.any(leaf != 0)) for leaf in jax.tree.leaves(updates)]


@law("Cut squares off before they overflow, and take norms of scaled values.")
def huge_gradients_pass(case: Case) -> None:
    """One finite gradient of 1e38 (6e4 in float16) leaves the state finite, and the weights move again afterwards."""
    for dtype, size in ((jnp.float32, 1e38), (jnp.bfloat16, 1e38), (jnp.float16, 6e4)):
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
    for _ in range(FEW):
        updates, late = case.compiled_update(case.numbers, _filled(params, 0.5), late, params)
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
        updates, state = case.compiled_update(case.numbers, structure.unflatten(poisoned), case.make().init(params), params)
        for _ in range(FEW):
            updates, state = case.compiled_update(case.numbers, params, state, params)
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
    grads = _filled(wide, 0.1)
    wide = jax.tree.map(lambda leaf, narrow: narrow.astype(leaf.dtype) if is_trainable(leaf) else leaf, wide, half)
    states = [case.make().init(params) for params in (wide, half)]
    for _ in range(FEW):
        results = [
            case.compiled_update(case.numbers, grads, state, params) for params, state in zip((wide, half), states, strict=True)
        ]
        states = [state for _, state in results]
    for (path, want), have in zip(jax.tree_util.tree_leaves_with_path(results[0][0]), jax.tree.leaves(results[1][0]), strict=True):
        if is_trainable(want) and not bool(jnp.allclose(want, have.astype(want.dtype), rtol=1e-4, atol=1e-6)):
            raise Violation(shown(want), shown(have), path_name(path))
    apply_updates(half, results[1][0])
