"""The contract of state, kept in one place: at the outermost call, whatever the parts do.

Arithmetic is wide, updates leave in the dtypes they came in, the state's avals never change, nothing aliases the
parameters, and whatever does not fit is refused with the path of the leaf.
"""

import functools
from collections.abc import Hashable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.call import Call
from gradtx._core.flow import Flow
from gradtx._core.kinds import is_traced, leaf_identity, shown
from gradtx._core.numerics import next_step, strong
from gradtx._core.placement import beside
from gradtx._core.run import init_entries, label, update_entries, without_slots
from gradtx._core.signals import CUSTOMARY, OF_PARAMETERS, Signals, Visits, check_extras
from gradtx._core.state import check_entries, check_step
from gradtx._core.trees import Boundary, Leaves, is_array, path_name, structure_difference
from gradtx._core.types import PyTree


def init(tx: Call, params: PyTree, visits: Visits | None = None) -> dict[str, Any]:
    """The state of an optimizer: its step count and one entry for each part that remembers something; `visits` as in `Signals`."""
    if any(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in jax.tree.leaves(params)):
        return _abstract_init(tx, params, visits)
    boundary = Boundary(params, "parameters", label(tx))
    inner = boundary.inward(params, "parameters")
    state = {"step": jnp.zeros((), jnp.int32), **_init(tx, inner, boundary.names(), visits)}
    return beside(inner, _unshared(state, (tx, inner)))


def _abstract_init(tx: Call, params: PyTree, visits: Visits | None) -> dict[str, Any]:
    """The state's shapes and dtypes. Leaves that are no arrays, functions among them, are not traced."""
    leaves, structure = jax.tree.flatten(params)
    abstract = {k: leaf for k, leaf in enumerate(leaves) if isinstance(leaf, jax.ShapeDtypeStruct)}
    return jax.eval_shape(
        lambda traced: init(tx, structure.unflatten([traced.get(k, leaf) for k, leaf in enumerate(leaves)]), visits), abstract
    )


def _init(tx: Call, inner: PyTree, leaves: Leaves, visits: Visits | None = None) -> dict[str, Any]:
    entries = init_entries(tx, inner, Signals(step=jnp.zeros((), jnp.int32), leaves=leaves, visits=visits))
    if "step" in entries:
        raise ValueError("A part cannot be called 'step': the state keeps the step count under that name. Choose another.")
    return jax.tree.map(strong, entries)


def expected_entries(tx: Call, inner: PyTree, leaves: Leaves) -> PyTree:
    """What the entries of a state look like for a tree as the parts see it."""
    key = _all_that_decides(tx, inner, leaves)
    known = None if key is None else EXPECTED.get(key)
    if known is not None:
        return known
    entries = jax.eval_shape(functools.partial(_init, tx, leaves=leaves), inner)
    if key is not None:
        if len(EXPECTED) >= MOST_EXPECTED:
            EXPECTED.clear()
        EXPECTED[key] = entries
    return entries


EXPECTED: dict[Hashable, PyTree] = {}
"""The entries by all that decides them: a step that is traced again need not trace its init."""

MOST_EXPECTED = 1024

SETTINGS = ("jax_enable_x64", "jax_numpy_dtype_promotion", "jax_default_prng_impl")
"""The settings of JAX that decide the types of what an init makes."""


def _all_that_decides(tx: Call, inner: PyTree, leaves: Leaves) -> Hashable | None:
    """The structure and the types of an optimizer and a tree, and the numbers that a body may read; None if it may read other things."""
    numbers, form = jax.tree.flatten(tx)
    if not all(is_traced(number) or isinstance(number, bool | int | float) for number in numbers):
        return None
    read = tuple(jax.typeof(number) if is_traced(number) else leaf_identity(number) for number in numbers)
    given, structure = jax.tree.flatten(inner)
    key = form, read, structure, tuple(map(jax.typeof, given)), leaves, tuple(getattr(jax.config, name) for name in SETTINGS)
    try:
        hash(key)
    except TypeError:
        return None
    return key


def _unshared(state: PyTree, given: PyTree) -> PyTree:
    """Copies of what the state shares with the optimizer, the parameters or itself: each may be donated."""
    seen = {id(leaf) for leaf in jax.tree.leaves(given)}

    def own(leaf: Any) -> Any:
        if id(leaf) in seen:
            return jnp.array(leaf, copy=True)
        seen.add(id(leaf))
        return leaf

    return jax.tree.map(own, state)


def update(tx: Call, updates: PyTree, state: PyTree, params: PyTree, extras: Mapping[str, Any]) -> tuple[PyTree, dict[str, Any]]:
    """One step: the new updates and the new state, each with the types of the old."""
    part = label(tx)
    check_extras(extras, part, _takes_any_extra(tx))
    check_step(state, part)
    boundary = Boundary(updates, "updates", part) if params is None else Boundary(params, "parameters", part)
    inner_updates = boundary.inward(updates, "updates")
    inner_params = None if params is None else boundary.inward(params, "parameters")
    given = {name: extra for name, extra in extras.items() if not (extra is None and name in CUSTOMARY)}
    inner_extras = {name: _inside(name, extra, boundary) for name, extra in given.items()}
    everything = (tx, inner_updates, state, inner_params, inner_extras)
    eager = all(is_array(leaf) and not is_traced(leaf) for leaf in jax.tree.leaves(everything))
    new, state = (_compiled_step if eager else _step)(*everything, leaves=boundary.names())
    return boundary.outward(new, updates), state


def _inside(name: str, extra: Any, boundary: Boundary) -> Any:
    if name == "value" and not _is_scalar(extra):
        raise ValueError(f"{boundary.part}: value must be a scalar, the loss at the parameters, got {shown(extra)}. Write jnp.mean(...).")
    if name not in OF_PARAMETERS:
        return extra
    if not callable(extra):
        raise TypeError(
            f"{boundary.part}: {name} must be a function of the parameters, got {shown(extra)}. "
            f"Write {name}=lambda params: loss(params, batch)."
        )

    def seen_within(inner: PyTree) -> Any:
        value = extra(boundary.restored(inner))
        if not _is_scalar(value):
            raise ValueError(
                f"{boundary.part}: {name} must return a scalar, the loss, and it returned {shown(value)}. "
                "Write jnp.mean(...) or jnp.sum(...) around it, and leave out what it returns beside it."
            )
        return value

    return seen_within


def _is_scalar(value: Any) -> bool:
    return is_array(value) and jnp.shape(value) == ()


def _takes_any_extra(tx: Call) -> bool:
    """Another library's part may take extras under any name."""
    nested = [leaf for _, leaf in tx.children()]
    calls = jax.tree.leaves(nested, is_leaf=lambda leaf: isinstance(leaf, Call))
    return tx.form.takes_any_extra(tx.arguments) or any(_takes_any_extra(call) for call in calls if isinstance(call, Call))


def _step(
    tx: Call, updates: PyTree, state: PyTree, params: PyTree, extras: Mapping[str, Any], leaves: Leaves
) -> tuple[PyTree, dict[str, Any]]:
    step, entries = jnp.asarray(state["step"]), without_slots(state, "step")
    expected = expected_entries(tx, updates if params is None else params, leaves)
    check_entries(entries, expected, label(tx), exact=params is not None)
    signals = Signals(step=step, leaves=leaves, extras=extras)
    flow, new_entries = update_entries(tx, Flow(updates, updates), entries, params, signals)
    kept = _same_types(new_entries, entries, label(tx))
    return flow.updates, {"step": next_step(step), **kept}


_compiled_step = jax.jit(_step, static_argnames="leaves")
"""An eager update compiles once for each structure of optimizer and trees, whatever the hyperparameters."""


def _same_types(new: PyTree, old: PyTree, part: str) -> PyTree:
    """The new state in the types of the old one."""
    if jax.tree.structure(new) != jax.tree.structure(old):
        raise ValueError(f"{part}: the update changed the structure of the state: {structure_difference(old, new)}.")

    def fitted(path: Any, before: Any, after: Any) -> Any:
        if jnp.shape(before) != jnp.shape(after):
            raise ValueError(
                f"{part}: the update changed the state at {path_name(path)} from shape {jnp.shape(before)} to {jnp.shape(after)}."
            )
        before, after = jnp.asarray(before), jnp.asarray(after)
        same = before.dtype == after.dtype and not getattr(after, "weak_type", False)
        return after if same else jax.lax.convert_element_type(after, before.dtype)

    return jax.tree_util.tree_map_with_path(fitted, old, new)
