"""How a step may be run: compiled, mapped, scanned, repeated, resumed, in memory that is given away."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradtx._core.apply import apply_updates
from gradtx._core.trees import is_trainable, path_name
from gradtx._core.types import PyTree
from gradtx.testing import _problem
from gradtx.testing._case import BATCH, Case
from gradtx.testing._compare import NARROW, WIDE, close, compilations, data, identical, member, same_structure, same_types, stacked
from gradtx.testing._law import Violation, law


@law("Let arrays alone decide: no Python branch on values, no state outside of the state.")
def jit_equals_eager(case: Case) -> None:
    """A step may be compiled: it gives the numbers that it gives outside of jit."""
    params = case.problem()
    grads, state = _problem.gradient(params), case.make().init(params)
    with jax.disable_jit():
        eager = case.update(None, grads, state, params)
    close(eager, case.compiled_update(None, grads, state, params), **NARROW)


@law("Keep everything that a step changes in the state, and draw random numbers from a key in the state or the step count.")
def runs_are_identical(case: Case) -> None:
    """A run can be repeated to the last bit, in the same process too."""
    tx, params = case.make(), case.problem()
    ones = jax.tree.map(jnp.ones_like, params)

    def two_steps() -> Any:
        first, state = tx.update(ones, tx.init(params), params, **case.extras(params, ones))
        second, state = tx.update(ones, state, params, **case.extras(params, ones))
        return first, second, state

    with jax.disable_jit():
        identical(two_steps(), two_steps())


@law("Return new arrays; write to none that came in.")
def inputs_are_not_changed(case: Case) -> None:
    """Gradients, state and parameters of before a step are still there after it."""
    params = jax.tree.map(lambda leaf: np.asarray(leaf) if is_trainable(leaf) else leaf, case.problem())
    tx = case.make()
    before = (params, tx.init(params))
    copy = jax.tree.map(lambda leaf: np.array(data(leaf)), before)
    with jax.disable_jit():
        tx.update(params, before[1], params, **case.extras(params, params))
    identical(copy, jax.tree.map(data, before))


@law("Give the state the same structure, shapes, dtypes and weak types at init and after every update.")
def scan_works(case: Case) -> None:
    """A whole run fits in one jax.lax.scan, and gives what a loop gives."""

    with jax.enable_x64(True):
        params, numbers = case.problem(jnp.float64), case.numbers_in_force()
        start = params, case.make().init(params)
        same_types(jax.eval_shape(lambda carry: carry, start), jax.eval_shape(lambda carry: case.step(None, *carry)[:2], start))
        scanned, _ = jax.jit(lambda carry: jax.lax.scan(lambda carry, _: (case.step(numbers, *carry)[:2], None), carry, length=3))(start)
        close(case.walk(numbers, params), scanned, **WIDE)


@law("Keep the arithmetic free of the batch: no fixed axis, no host call, no Python value made of an array.")
def vmap_over_problems_equals_a_loop(case: Case) -> None:
    """Many problems can be solved at once, and none sees the others."""
    with jax.enable_x64(True):
        numbers = case.numbers_in_force() or {}
        problems = [case.problem(jnp.float64, seed) for seed in range(BATCH)]
        # As many as there are members where all numbers are varied: one program serves both.
        batched = stacked(problems * max(len(numbers), 1))
        batch = stacked([numbers] * BATCH * len(numbers)) if numbers else None
        state = jax.vmap(case.make().init)(batched)
        for _ in range(2):
            updates, state = case.mapped(batch, _problem.gradients(batched), state, batched)
            batched = _problem.moved(batched, updates)
        for k, params in enumerate(problems):
            close(case.walk(case.numbers_in_force(), params, 2), member((batched, state), k), **WIDE)


@law("Keep everything that a step changes in the state.")
def resuming_is_exact(case: Case) -> None:
    """A run that was saved as plain arrays and goes on elsewhere ends at the same bits as one that was not interrupted."""
    params = case.problem()
    whole = case.walk(None, params, 4)
    params, state = jax.tree.map(_saved, case.walk(None, params, 2))
    fresh = Case(case.transformation, case.arguments, case.needs, case.params)
    state = jax.tree.unflatten(jax.tree.structure(whole[1]), jax.tree.leaves(state))
    for _ in range(2):
        params, state = fresh.compiled_step(None, params, state)
    identical(whole, (params, state))


def _saved(leaf: Any) -> jax.Array:
    is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return leaf if is_key else jnp.asarray(np.asarray(leaf).copy(), leaf.dtype)


@law("Give the state its final types at init, weak types included.")
def steps_share_one_compilation(case: Case) -> None:
    """The second step is as fast as the hundredth: only the first one compiles, bfloat16 parameters with float32 gradients included."""
    for dtype in (jnp.float32, jnp.bfloat16):
        params = case.problem(dtype)
        grads = _problem.gradient(jax.tree.map(lambda leaf: leaf.astype(jnp.float32) if is_trainable(leaf) else leaf, params))
        compiled = case.jitted_again()
        state = case.make().init(params)
        for _ in range(3):
            updates, state = case.compiled_update(None, grads, state, params, jitted=compiled)
            params = _problem.moved(params, updates)
        if compilations(compiled) != 1:
            raise Violation(
                "1 compilation of three steps", f"{compilations(compiled)}", f"{jnp.dtype(dtype).name} parameters, float32 gradients"
            )


@law("Return arrays of their own from init: jnp.array(x, copy=True) for a copy of a parameter.")
def init_aliases_nothing(case: Case) -> None:
    """Parameters and state can both be donated: no array of the state is one of the parameters, or stands in it twice."""
    params = case.problem()
    named = {"parameters": params, "state": case.make().init(params)}
    seen: dict[int, str] = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(named):
        if not isinstance(leaf, jax.Array) or not leaf.size or jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            continue
        pointer = leaf.unsafe_buffer_pointer()
        if pointer in seen:
            raise Violation("memory of its own", f"the memory of {seen[pointer]}", path_name(path))
        seen[pointer] = path_name(path)


@law("Return arrays of their own from init, and keep none of the state's in a closure.")
def donation_works(case: Case) -> None:
    """A step may overwrite the parameters and the state that it was given, and the transformation survives it."""

    with jax.enable_x64(True):
        tx, params, numbers = case.make(), case.problem(jnp.float64), case.numbers_in_force()

        def overwriting(params: PyTree, state: PyTree, grads: PyTree) -> tuple[PyTree, PyTree]:
            updates, state = case.compiled_update(numbers, grads, state, params)
            return apply_updates(params, updates), state

        donating = jax.jit(overwriting, donate_argnums=(0, 1))
        expected = case.walk(numbers, params, 2)
        for _ in range(2):
            now = jax.tree.map(jnp.copy, params)
            state = tx.init(now)
            for _ in range(2):
                now, state = donating(now, state, _problem.gradient(now))
            close(expected, (now, state), **WIDE)


@law("Read nothing of the parameters in init but shapes and dtypes: jnp.zeros_like(p) instead of 0 * p.")
def init_on_abstract_values(case: Case) -> None:
    """The state's shapes are known before any memory is taken: init works on jax.ShapeDtypeStruct."""
    params = case.problem()
    abstract = jax.eval_shape(lambda: params)
    state = jax.eval_shape(lambda: case.make().init(params))
    found = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), case.make().init(abstract))
    same_structure(state, found)
    same_types(jax.eval_shape(lambda: case.make().init(params)), state)
    for (path, want), have in zip(jax.tree_util.tree_leaves_with_path(state), jax.tree.leaves(found), strict=True):
        if (want.shape, want.dtype) != (have.shape, have.dtype):
            raise Violation(f"{want.dtype}{list(want.shape)}", f"{have.dtype}{list(have.shape)}", path_name(path))
