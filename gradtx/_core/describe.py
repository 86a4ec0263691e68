"""An optimizer on its parameters, as text: the chain it is made of, and what each leaf costs."""

import math
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.call import Call
from gradtx._core.kinds import shown
from gradtx._core.run import Context
from gradtx._core.signals import Signals
from gradtx._core.transformation import GradientTransformation
from gradtx._core.trees import is_trainable, leaves_by_path, path_name
from gradtx._core.types import PyTree


def describe(tx: GradientTransformation | Any, params: PyTree) -> str:
    """What the optimizer does and what it costs on `params`, from shapes alone: `jax.ShapeDtypeStruct` leaves will do.

    First the chain, each factory opened into its parts, schedules as they are unless a factory computes with their
    value, then at step 0; then a line for each leaf with shape, dtype and bytes of
    state, one for each slot of the state, and the totals.
    """
    if not isinstance(tx, GradientTransformation):
        raise TypeError(
            f"describe(tx, params): tx must be a transformation of gradtx, got {shown(tx)}. Put another library's into chain(...)."
        )
    params = jax.tree.map(_abstract, params)
    state = tx.init(params)
    return "\n".join([*_chain_lines(tx, 0), "", *_leaf_table(params, state), "", *_slot_table(params, state), "", _totals(params, state)])


def _chain_lines(tx: GradientTransformation, depth: int) -> Iterator[str]:
    yield "  " * depth + ("chain" if tx.form.composes else str(tx))
    for part in tx.transformations if tx.form.composes else _opened(tx):
        yield from _chain_lines(part, depth + 1)


def _opened(tx: GradientTransformation) -> tuple[GradientTransformation, ...]:
    """The parts of the chain that a factory's body returns, schedules left as they are; none where it is a pair of functions."""
    try:
        opened = tx.form.open(tx.arguments, Context(Signals(step=None, path=(tx.form.name,))))
    except (TypeError, AttributeError):  # the body computes with a schedule, so it must be a number
        opened = tx.form.open(tx.arguments, Context(Signals(step=0, path=(tx.form.name,))))
    return opened.arguments["transformations"] if isinstance(opened, Call) and opened.form.composes else ()


def _abstract(leaf: Any) -> Any:
    return jax.ShapeDtypeStruct(jnp.shape(leaf), jnp.result_type(leaf)) if is_trainable(leaf) else leaf


def _leaf_table(params: PyTree, state: PyTree) -> list[str]:
    structure = jax.tree.structure(params, is_leaf=lambda leaf: leaf is None)
    owned = [structure.flatten_up_to(slot) for _, slot in _slots(params, state)]
    rows = [("leaf", "shape", "dtype", "state")]
    for k, (path, leaf) in enumerate(leaves_by_path(params)[0]):
        if is_trainable(leaf):
            cost = sum(_size(slot[k]) for slot in owned)
            rows.append((path_name(path), str(jnp.shape(leaf)), str(jnp.result_type(leaf)), _bytes(cost)))
        else:
            rows.append((path_name(path), "-", "not trained", "-"))
    return _aligned(rows)


def _slot_table(params: PyTree, state: PyTree) -> list[str]:
    slots = _slots(params, state)
    tied = sum(_size(slot) for _, slot in slots)
    rows = [(path_name(path), _bytes(_size(slot))) for path, slot in slots]
    return _aligned([("slot", "state"), *rows, ("(counts and scalars)", _bytes(_size(state) - tied))])


def _slots(params: PyTree, state: PyTree) -> list[tuple[Any, PyTree]]:
    """The deepest subtrees of the state that are trees like the parameters, with their paths."""
    structure = jax.tree.structure(params, is_leaf=lambda leaf: leaf is None)
    bare_scalar = is_trainable(params) and jnp.shape(params) == ()
    counts_fit = jax.tree_util.treedef_is_leaf(structure) and not bare_scalar  # anything is a tree like one leaf

    def fits(node: PyTree) -> bool:
        try:
            structure.flatten_up_to(node)
        except ValueError:
            return False
        leaves = jax.tree.leaves(node)
        return structure.num_leaves > 0 and not (counts_fit and leaves and all(leaf.shape == () for leaf in leaves))

    def within(node: PyTree, path: tuple[Any, ...]) -> list[tuple[Any, PyTree]]:
        children = jax.tree_util.tree_flatten_with_path(node, is_leaf=lambda child: child is not node)[0]
        below = [found for key, child in children if child is not node for found in within(child, (*path, *key))]
        return below if below or not fits(node) else [(path, node)]

    return within({name: entry for name, entry in state.items() if name != "step"}, ())


def _totals(params: PyTree, state: PyTree) -> str:
    count = sum(math.prod(jnp.shape(leaf)) for leaf in jax.tree.leaves(params) if is_trainable(leaf))
    size = _size(state)
    return f"{count:,} parameters, {_bytes(size)} of state" + (f", {size / count:.3g} bytes each" if count else "")


def _size(tree: PyTree) -> int:
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def _bytes(size: float) -> str:
    units = ["B", "kB", "MB", "GB", "TB"]
    while size >= 1000 and len(units) > 1:
        size /= 1000
        units.pop(0)
    return f"{size:.3g} {units[0]}"


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
