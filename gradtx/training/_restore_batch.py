"""Members of a batch of optimizers: the state of each, and what they are together."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx import GradientTransformation
from gradtx._core.types import PyTree


def members_in(state: PyTree) -> int | None:
    """How many members a state is of, None for that of one optimizer."""
    steps = jnp.shape(state["step"]) if isinstance(state, dict) and "step" in state else ()
    return steps[0] if len(steps) == 1 else None


def member(tree: PyTree, k: int) -> PyTree:
    """What belongs to one member."""
    return jax.tree.map(lambda leaf: leaf[k] if hasattr(leaf, "ndim") else leaf, tree)


def member_optimizer(tx: GradientTransformation, k: int, count: int) -> GradientTransformation:
    """The optimizer of one member: of numbers that are arrays each has its own, the others are the same for all."""
    return jax.tree.map(lambda leaf: leaf[k] if jnp.shape(leaf)[:1] == (count,) and not _is_raw_key(leaf) else leaf, tx)


def check_members(tx: GradientTransformation, state: PyTree) -> None:
    """Refuse to carry the state of one over to a batch, of a batch over to one of another size, and of batches of batches."""
    count, shape = members_in(state), jnp.shape(state["step"])
    sizes = {jnp.shape(leaf)[0] for leaf in jax.tree.leaves(tx) if jnp.ndim(leaf) and not _is_raw_key(leaf)}
    if len(shape) > 1:
        raise ValueError(f"restore: the state is of {shape} optimizers; one axis of members can be carried over. Restore it with state=.")
    if other := sorted(sizes - {count}):
        have, instead = ("one optimizer", "repeat its state") if count is None else (f"{count} optimizers", "take the states that you want")
        raise ValueError(
            f"restore: the state is of {have}, and tx is a batch of {other[0]}. Migrate to an optimizer with plain numbers, and {instead}."
        )


def _is_raw_key(leaf: Any) -> bool:
    return jnp.ndim(leaf) == 1 and jnp.result_type(leaf) == jnp.uint32


def joined(members: list[PyTree]) -> PyTree:
    """The trees of the members as one, with a leading axis."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *members)


def abstract_state(tx: GradientTransformation, params: PyTree, count: int | None) -> PyTree:
    """Shapes and dtypes of the state for these parameters, those of all members if there are so many."""

    def abstract(leaf: Any) -> Any:
        shape = () if count is None else (count,)
        return jax.ShapeDtypeStruct(leaf.shape[len(shape) :], leaf.dtype) if hasattr(leaf, "ndim") else leaf

    one = (tx if count is None else member_optimizer(tx, 0, count)).init(jax.tree.map(abstract, params))
    members = () if count is None else (count,)
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((*members, *leaf.shape), leaf.dtype), one)


def parted(state: PyTree) -> tuple[PyTree, dict[str, Any]]:
    """The optimizer's state, which may be carried over to another, and what a step of `make_step` keeps beside it."""
    if not isinstance(state, dict) or "optimizer" not in state or "step" in state:
        return state, {}
    return state["optimizer"], {name: entry for name, entry in state.items() if name != "optimizer"}
