"""The contract of state, kept in one place: at the outermost call, whatever the parts do.

Arithmetic is wide, updates leave in the dtypes they came in, the state's avals never change, nothing aliases the
parameters, and whatever does not fit is refused with the path of the leaf.
"""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.call import Call
from gradtx._core.flow import Flow
from gradtx._core.kinds import is_traced, shown
from gradtx._core.numerics import next_step
from gradtx._core.run import init_entries, label, update_entries
from gradtx._core.signals import OF_PARAMETERS, Signals, check_extras
from gradtx._core.trees import Boundary, Leaves, path_name, structure_difference
from gradtx._core.types import PyTree


def init(tx: Call, params: PyTree) -> dict[str, Any]:
    """The state of an optimizer: its step count and one entry for each part that remembers something."""
    if any(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in jax.tree.leaves(params)):
        return _abstract_init(tx, params)
    boundary = Boundary(params, "parameters")
    inner = boundary.inward(params, "parameters")
    state = {"step": jnp.zeros((), jnp.int32), **_init(tx, inner, boundary.names())}
    return _unshared(state, (tx, inner))


def _abstract_init(tx: Call, params: PyTree) -> dict[str, Any]:
    """The state's shapes and dtypes. Leaves that are no arrays, functions among them, are not traced."""
    leaves, structure = jax.tree.flatten(params)
    abstract = {k: leaf for k, leaf in enumerate(leaves) if isinstance(leaf, jax.ShapeDtypeStruct)}
    return jax.eval_shape(lambda traced: init(tx, structure.unflatten([traced.get(k, leaf) for k, leaf in enumerate(leaves)])), abstract)


def _init(tx: Call, inner: PyTree, leaves: Leaves) -> dict[str, Any]:
    entries = init_entries(tx, inner, Signals(step=jnp.zeros((), jnp.int32), leaves=leaves))
    if "step" in entries:
        raise ValueError("A part cannot be called 'step': the state keeps the step count under that name. Choose another.")
    return jax.tree.map(_strong, entries)


def _strong(leaf: Any) -> jax.Array:
    """An array without weak type, so that the first step does not change the state's type."""
    array = jnp.asarray(leaf)
    return jax.lax.convert_element_type(array, array.dtype) if jnp.issubdtype(array.dtype, jnp.number) else array


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
    check_extras(extras, label(tx), _takes_any_extra(tx))
    if not isinstance(state, dict) or "step" not in state:
        raise TypeError(
            f"{label(tx)}: the state must be what init(params) returned (a dict with 'step'), got {type(state).__name__}. "
            "The order is update(gradients, state, params)."
        )
    boundary = Boundary(updates, "updates") if params is None else Boundary(params, "parameters")
    inner_updates = boundary.inward(updates, "updates")
    inner_params = None if params is None else boundary.inward(params, "parameters")
    inner_extras = {name: _inside(name, extra, boundary) for name, extra in extras.items()}
    everything = (tx, inner_updates, state, inner_params, inner_extras)
    eager = not any(is_traced(leaf) or callable(leaf) for leaf in jax.tree.leaves(everything))
    new, state = (_compiled_step if eager else _step)(*everything, leaves=boundary.names())
    return boundary.outward(new, updates), state


def _inside(name: str, extra: Any, boundary: Boundary) -> Any:
    if name not in OF_PARAMETERS:
        return extra

    def seen_within(inner: PyTree) -> Any:
        value = extra(boundary.restored(inner))
        if jnp.shape(value) != ():
            raise ValueError(
                f"{name} must return a scalar, the loss, and it returned {shown(value)}. Write jnp.mean(...) or jnp.sum(...) around it."
            )
        return value

    return seen_within


def _takes_any_extra(tx: Call) -> bool:
    """Another library's part may take extras under any name."""
    nested = [leaf for _, leaf in tx.children()]
    calls = jax.tree.leaves(nested, is_leaf=lambda leaf: isinstance(leaf, Call))
    return tx.form.takes_any_extra(tx.arguments) or any(_takes_any_extra(call) for call in calls if isinstance(call, Call))


def _step(
    tx: Call, updates: PyTree, state: PyTree, params: PyTree, extras: Mapping[str, Any], leaves: Leaves
) -> tuple[PyTree, dict[str, Any]]:
    step = _check_state(tx, state, updates if params is None else params, leaves)
    entries = {name: entry for name, entry in state.items() if name != "step"}
    signals = Signals(step=step, leaves=leaves, extras=extras)
    flow, new_entries = update_entries(tx, Flow(updates, updates), entries, params, signals)
    kept = _same_types(new_entries, entries, label(tx))
    return flow.updates, {"step": next_step(step), **kept}


_compiled_step = jax.jit(_step, static_argnames="leaves")
"""An eager update compiles once for each structure of optimizer and trees, whatever the hyperparameters."""


def _check_state(tx: Call, state: PyTree, like: PyTree, leaves: Leaves) -> Any:
    """Make sure that the state is one that `tx.init` makes for trees like these; return its step."""
    entries = {name: entry for name, entry in state.items() if name != "step"}
    expected = jax.eval_shape(functools.partial(_init, tx, leaves=leaves), like)
    if jax.tree.structure(expected) != jax.tree.structure(entries):
        raise ValueError(
            f"{label(tx)}: the state belongs to another optimizer or to other parameters: {structure_difference(expected, entries)}. "
            f"Make a new one with init(params)."
        )
    for (path, want), have in zip(jax.tree_util.tree_leaves_with_path(expected), jax.tree.leaves(entries), strict=True):
        if want.shape != jnp.shape(have):
            raise ValueError(
                f"{label(tx)}: the state has shape {jnp.shape(have)} at {path_name(path)}, where these trees need {want.shape}. "
                "It belongs to parameters of other shapes, or the gradient has another shape than they."
            )
    return jnp.asarray(state["step"])


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
