"""Meaning: the right numbers, noise that is new at every step, extras that arrive."""

import contextlib
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradtx._core.apply import apply_updates
from gradtx._core.trees import is_trainable, path_name
from gradtx.testing import _problem
from gradtx.testing._case import CUSTOMARY, Case
from gradtx.testing._compare import NARROW, close, program, shown
from gradtx.testing._law import NotApplicableError, Violation, law

STEPS = 60


@law("Compare it with the reference step by step; the first step that differs tells which term is wrong.")
def trajectory_is_the_references(case: Case) -> None:
    """It computes what its paper says: sixty steps at random gradients are those of a reference in float64, to 1e-9."""
    if case.reference is None:
        raise NotApplicableError("no reference is given")
    rng = np.random.default_rng(0)
    with jax.enable_x64(True):
        params = case.problem(jnp.float64)
        grads = jax.tree.map(lambda leaf: rng.normal(size=(STEPS, *leaf.shape)) * 10.0 ** rng.uniform(-2, 1, size=leaf.shape), params)

        def body(carry: Any, grads: Any) -> Any:
            params, state = carry
            updates, state = case.update(None, grads, state, params)
            params = apply_updates(params, updates)
            return (params, state), params

        _, path = jax.jit(lambda carry: jax.lax.scan(body, carry, grads))((params, case.make().init(params)))
    entries = jax.tree_util.tree_leaves_with_path(params)
    for (place, start), own, gradients in zip(entries, jax.tree.leaves(path), jax.tree.leaves(grads), strict=True):
        expected = np.stack(list(case.reference(np.asarray(start), gradients)))
        apart = np.abs(np.asarray(own) - expected).reshape(STEPS, -1).max(axis=1) / np.max(np.abs(expected - np.asarray(start)))
        if not np.all(apart < 1e-9):
            step = int(np.argmax(~(apart < 1e-9)))
            raise Violation("the reference, to 1e-9", f"{np.max(apart):.1g} of the movement, first at step {step}", path_name(place))


DRAWS = 8


@law("Fold the step count and the leaf's path into the key: jax.random.fold_in(jax.random.fold_in(key, step), k).")
def random_draws_are_fresh(case: Case) -> None:
    """Noise at one step is not the noise of a later one, nor that of another leaf."""
    params = {"w": jnp.zeros(64), "v": jnp.zeros(64), "s": jnp.zeros(())} if case.params is None else case.problem()
    zeros = jax.tree.map(lambda leaf: jnp.zeros_like(leaf) if is_trainable(leaf) else leaf, params)
    state = case.make().init(zeros)
    if "random_" not in program(functools.partial(case.compiled_update, None), zeros, state, zeros):
        raise NotApplicableError("it draws no random numbers")
    seen: dict[str, list[jax.Array]] = {}
    for _ in range(DRAWS):
        updates, state = case.compiled_update(None, zeros, state, zeros, _coupled)
        drawn = {path_name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(updates) if is_trainable(leaf)}
        drawn = {name: leaf for name, leaf in drawn.items() if leaf_is_drawn(leaf)}
        for name, leaf in drawn.items():
            if any(bool(jnp.array_equal(leaf, before)) for before in seen.get(name, [])):
                raise Violation("other numbers at a later step", shown(leaf), name)
            if any(other is not leaf and bool(jnp.array_equal(leaf, other)) for other in drawn.values()):
                raise Violation("numbers of its own for each leaf", shown(leaf), name)
            seen[name] = [*seen.get(name, []), leaf]
    if not any(len(draws) > 1 for draws in seen.values()):
        raise NotApplicableError("what it draws does not show in updates from gradients of zero")


def _coupled(params: Any) -> jax.Array:
    """A loss whose Hessian is not diagonal, so that an estimate of its diagonal depends on what is drawn."""
    leaves = [leaf for leaf in jax.tree.leaves(params) if is_trainable(leaf)]
    return _problem.loss(params) + 0.1 * sum((jnp.sum(leaf.real) for leaf in leaves), start=jnp.zeros(())) ** 2


def leaf_is_drawn(leaf: jax.Array) -> bool:
    return bool(jnp.any(leaf != 0))


@law("Take what is needed as a keyword-only argument of update, and hand extras on to what is wrapped.")
def needed_extras_arrive(case: Case) -> None:
    """An extra that it needs reaches it through every wrapper: without it there is an error, and another value makes another step."""
    if not case.needs:
        raise NotApplicableError("it needs no extra")
    params = case.problem()
    grads = _problem.gradient(params)
    tx = case.make()
    given = case.extras(params, grads)
    for name in given:
        without = {other: value for other, value in given.items() if other != name}
        try:
            with jax.disable_jit():
                tx.update(grads, tx.init(params), params, **without)
        except (TypeError, ValueError) as error:
            if name not in str(error):
                raise Violation("an error that names the extra", str(error).splitlines()[0], name) from None
        else:
            raise Violation("an error", "an update without it", name)
    other = {name: _changed(value) for name, value in given.items()}
    with jax.disable_jit():
        first, second = (tx.update(grads, tx.init(params), params, **extras) for extras in (given, other))
    if all(bool(jnp.array_equal(a, b)) for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True)):
        raise Violation("another step with other extras", "the same step", ", ".join(given))


def _changed(extra: Any) -> Any:
    loss: Callable[[Any], Any] | None = extra if callable(extra) else None
    if loss is not None:
        return lambda params: -3.0 * loss(params)
    return jax.tree.map(lambda leaf: 3.0 * leaf + 1.0, extra)


@law("Declare extras by keyword and take no **extras, or refuse those that nothing declares.")
def unknown_extras_are_refused(case: Case) -> None:
    """A misspelt extra is an error and not ignored."""
    params = case.problem()
    tx = case.make()
    state = tx.init(params)
    try:
        tx.update(params, state, params, **case.extras(params, params), valeu_of_no_extra=1.0)
    except TypeError as error:
        if "valeu_of_no_extra" not in str(error):
            raise Violation("an error that names the extra", str(error).splitlines()[0]) from None
    else:
        raise Violation("an error", "an update that ignores it")


@law("Accept the extras that training loops pass to all (value, grad, value_fn), and ignore those that you do not read.")
def customary_extras_may_be_passed(case: Case) -> None:
    """One training loop serves every optimizer: the loss, its gradient or the loss function, given without need, change no number."""
    params = case.problem()
    grads = _problem.gradient(params)
    tx, needed = case.make(), case.extras(params, grads) if case.needs else {}
    given = grads, tx.init(params), params
    alone = program(lambda *given: tx.update(*given, **needed), *given)
    customary = {name: make(params, grads) for name, make in CUSTOMARY.items()}
    with contextlib.suppress(TypeError, ValueError):
        if program(lambda *given: tx.update(*given, **{**customary, **needed}), *given) == alone:
            return
    for name, extra in customary.items():
        extras = {name: extra, **needed}
        try:
            if program(lambda *given, extras=extras: tx.update(*given, **extras), *given) != alone:
                close(tx.update(*given, **needed), tx.update(*given, **extras), **NARROW)
        except (TypeError, ValueError) as error:
            raise Violation("a step", f"{type(error).__name__}: {str(error).splitlines()[0]}", f"{name} is passed") from error
        except Violation as violation:
            raise Violation(violation.expected, violation.seen, f"{violation.leaf}, {name} is passed") from None


@law("Raise an error where params is None and the rule reads them: 'needs the parameters: call update(gradients, state, params)'.")
def missing_parameters_are_named(case: Case) -> None:
    """A call that forgets the parameters is told so, or gives the same step: neither a riddle about trees nor another step in silence."""
    params = case.problem()
    tx, extras = case.make(), case.extras(params, params)
    try:
        with jax.disable_jit():
            seen = tx.update(params, tx.init(params), **extras)
    except Exception as error:
        first = next(iter(str(error).splitlines()), "")
        if not isinstance(error, TypeError | ValueError) or "param" not in first:
            raise Violation("an error that says that params is needed", f"{type(error).__name__}: {first}") from error
    else:
        with jax.disable_jit():
            close(tx.update(params, tx.init(params), params, **extras), seen, **NARROW)
