"""Dtypes: what the state keeps, what the updates have, whatever parameters and gradients come in."""

import functools
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.trees import path_name
from gradtx.testing import _problem
from gradtx.testing._case import Case
from gradtx.testing._compare import same_types
from gradtx.testing._law import Violation, law

HALF = (jnp.bfloat16, jnp.float16)


def _pairings() -> Iterator[tuple[Any, Any]]:
    for params in (*HALF, jnp.float32, jnp.float64):
        for grads in dict.fromkeys((params, jnp.float32)):
            yield params, grads


@functools.lru_cache(maxsize=16)
def _steps(case: Case, params_dtype: Any, grads_dtype: Any) -> tuple[Any, Any, Any, Any]:
    """Shapes and dtypes alone: parameters, state, then updates and state after one step. Four laws ask for the same."""
    with jax.enable_x64(params_dtype == jnp.float64):
        params = jax.eval_shape(lambda: case.problem(params_dtype))
        state = jax.eval_shape(case.make().init, params)
        _, after, updates = jax.eval_shape(lambda params, state: case.step(None, params, state, grads_dtype), params, state)
    return params, state, updates, after


def _with_none(updates: Any) -> list[Any]:
    """The leaves, None where a random key among the parameters has no update."""
    return jax.tree.leaves(updates, is_leaf=lambda leaf: leaf is None)


def _at(params: Any, grads: Any, violation: Violation) -> Violation:
    pairing = f"{jnp.dtype(params).name} parameters, {jnp.dtype(grads).name} gradients"
    return Violation(violation.expected, violation.seen, f"{violation.leaf} ({pairing})" if violation.leaf else pairing)


@law("Give each slot one dtype, taken from the parameters at init, and cast what an update computes to it.")
def state_keeps_its_types(case: Case) -> None:
    """Any mix of parameter and gradient dtypes can be scanned and compiles once: the state's types never change."""
    for params_dtype, grads_dtype in _pairings():
        _, state, _, after = _steps(case, params_dtype, grads_dtype)
        try:
            same_types(state, after)
        except Violation as violation:
            raise _at(params_dtype, grads_dtype, violation) from None


@law("Start slots from jnp.zeros((), jnp.float32) and the like, not from Python numbers.")
def state_has_no_weak_types(case: Case) -> None:
    """The state's dtypes are its own: no leaf takes the dtype of what it meets."""
    _, state, _, after = _steps(case, jnp.float32, jnp.float32)
    for path, leaf in jax.tree_util.tree_leaves_with_path({"init": state, "update": after}):
        if leaf.weak_type:
            raise Violation(f"{leaf.dtype}{list(leaf.shape)}", f"{leaf.dtype}{list(leaf.shape)} weak", path_name(path))


@law("Keep slots of a half-precision parameter in float32.")
def state_of_half_precision_is_wide(case: Case) -> None:
    """Averages of half-precision gradients do not stall: the state is float32, and float64 for float64 parameters."""
    for params_dtype in (*HALF, jnp.float64):
        _, state, _, _ = _steps(case, params_dtype, params_dtype)
        wide = jnp.promote_types(params_dtype, jnp.float32)
        for path, leaf in jax.tree_util.tree_leaves_with_path(state):
            if jnp.issubdtype(leaf.dtype, jnp.inexact) and leaf.shape and leaf.dtype != wide:
                raise Violation(str(wide), str(leaf.dtype), f"{path_name(path)} ({jnp.dtype(params_dtype).name} parameters)")


@law("Cast each update to the dtype of the gradient it came from.")
def updates_have_the_types_of_gradients(case: Case) -> None:
    """Updates leave with the shape and dtype that they came with."""
    for params_dtype, grads_dtype in _pairings():
        params, _, updates, _ = _steps(case, params_dtype, grads_dtype)
        entries = jax.tree_util.tree_leaves_with_path(params)
        for (path, param), update in zip(entries, _with_none(updates), strict=True):
            if jnp.issubdtype(param.dtype, jnp.inexact) and (update.shape, update.dtype) != (param.shape, grads_dtype):
                expected = f"{jnp.dtype(grads_dtype).name}{list(param.shape)}"
                raise _at(params_dtype, grads_dtype, Violation(expected, f"{update.dtype}{list(update.shape)}", path_name(path)))


@law("Treat each leaf in its own dtype: multiply it by a scalar of that dtype, not by one of the widest leaf's.")
def mixed_dtypes_keep_their_own(case: Case) -> None:
    """One half-precision leaf beside float32 leaves is treated as it would be alone."""
    params = jax.eval_shape(lambda: _one_half(case.problem()))
    state = jax.eval_shape(case.make().init, params)
    _, after, updates = jax.eval_shape(lambda params, state: case.step(None, params, state), params, state)
    same_types(state, after)
    for (path, param), update in zip(jax.tree_util.tree_leaves_with_path(params), _with_none(updates), strict=True):
        if jnp.issubdtype(param.dtype, jnp.inexact) and update.dtype != param.dtype:
            raise Violation(str(param.dtype), str(update.dtype), path_name(path))


def _one_half(params: Any) -> Any:
    leaves, structure = jax.tree.flatten(params)
    return structure.unflatten([leaves[0].astype(jnp.bfloat16), *leaves[1:]] if leaves else leaves)


def _one_step(case: Case, tx: Any, params: Any) -> Any:
    return tx.update(params, tx.init(params), params, **case.extras(params, params, _problem.bowl))


@law("Cast explicitly where dtypes meet.")
def strict_promotion_is_kept(case: Case) -> None:
    """It runs under jax_numpy_dtype_promotion=strict: no dtype is mixed with another by accident."""
    for dtype in (jnp.float32, jnp.bfloat16):
        with jax.numpy_dtype_promotion("strict"):
            jax.eval_shape(lambda params: _one_step(case, case.make(), params), case.problem(dtype))


@law("Hand everything on through return values; store no tracer.")
def nothing_leaks(case: Case) -> None:
    """No traced value outlives its trace: jax.checking_leaks() finds none."""
    tx, params = case.make(), case.problem()  # outside of the trace, which what they keep must not outlive
    with jax.checking_leaks():
        jax.eval_shape(lambda params: _one_step(case, tx, params), params)


@law("Keep NaN out of the branch that is not taken: divide by jnp.where(x > 0, x, 1) before the select.")
def no_false_alarm_of_nan_checking(case: Case) -> None:
    """jax_debug_nans stays silent on finite gradients, those of zero included, in a compiled step and in one that runs line by line."""
    params = case.problem()
    given = jax.tree.map(jnp.zeros_like, params), params
    with jax.debug_nans(True):
        for update in (case.compiled_update, _by_line(case)):
            state = case.make().init(params)
            for grads in given:
                _, state = jax.block_until_ready(update(None, grads, state, params))


def _by_line(case: Case) -> Any:
    def update(*given: Any) -> Any:
        with jax.disable_jit():
            return case.update(*given)

    return update
