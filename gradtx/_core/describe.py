"""An optimizer on its parameters, as text: the chain it is made of, and what each leaf costs."""

import math
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.call import Call
from gradtx._core.contract import init
from gradtx._core.kinds import shown
from gradtx._core.order import moved_by
from gradtx._core.roles import Roles
from gradtx._core.run import Context, without_slots
from gradtx._core.signals import Signals, Visits
from gradtx._core.transformation import GradientTransformation
from gradtx._core.trees import is_trainable, leaves_by_path, path_name
from gradtx._core.types import PyTree
from gradtx._core.written import readable


def describe(tx: GradientTransformation | Any, params: PyTree) -> str:
    """What the optimizer does and what it costs on `params`, from shapes alone: `jax.ShapeDtypeStruct` leaves will do.

    First the chain, each factory opened into its parts, schedules as they are unless a factory computes with their
    value, then at step 0; then a line for each leaf with shape, dtype, its role where a table of `roles` gives it one, the
    number of its rule where leaves have different ones, and bytes of state; then the rules, each the parts that a leaf
    goes through; then a line for each slot of the state, and the totals.
    """
    if not isinstance(tx, GradientTransformation):
        raise TypeError(
            f"describe(tx, params): tx must be a transformation of gradtx, got {shown(tx)}. Put another library's into chain(...)."
        )
    params = jax.tree.map(abstract, params)
    visits = Visits()
    state = init(tx, params, visits)
    blocks = [[*_chain_lines(tx, 0)], *_leaf_tables(params, state, visits), _slot_table(params, state), [_totals(params, state)]]
    return "\n\n".join("\n".join(block) for block in blocks)


def _chain_lines(tx: Any, depth: int) -> Iterator[str]:
    inner = tuple(moved_by(tx))
    yield "  " * depth + ("chain" if tx.form.composes else tx.written(lambda value: "..." if value in inner else readable(value)))
    for part in _opened(tx) or inner:
        yield from _chain_lines(part, depth + 1)


def returned(tx: GradientTransformation) -> Any:
    """What a factory's body returns, schedules left as they are: a transformation, or a pair of functions."""
    try:
        return tx.form.open(tx.arguments, Context(Signals(step=None, path=(tx.form.name,))))
    except (TypeError, AttributeError):  # the body computes with a schedule, so it must be a number
        return tx.form.open(tx.arguments, Context(Signals(step=0, path=(tx.form.name,))))


def _opened(tx: GradientTransformation) -> tuple[GradientTransformation, ...]:
    """The parts of the chain that a factory's body returns; none where it returns something else."""
    opened = returned(tx)
    return opened.arguments["transformations"] if isinstance(opened, Call) and opened.form.composes else ()


def abstract(leaf: Any) -> Any:
    return jax.ShapeDtypeStruct(jnp.shape(leaf), jnp.result_type(leaf)) if is_trainable(leaf) else leaf


def _leaf_tables(params: PyTree, state: PyTree, visits: Visits) -> list[list[str]]:
    """The table of the leaves, and that of the rules where there are several."""
    structure = jax.tree.structure(params, is_leaf=lambda leaf: leaf is None)
    owned = [structure.flatten_up_to(slot) for _, slot in _slots(params, state)]
    entries = [(k, path_name(path), leaf) for k, (path, leaf) in enumerate(leaves_by_path(params)[0])]
    rules = {name: _rule(name, visits) for _, name, leaf in entries if is_trainable(leaf)}
    several, tables = list(dict.fromkeys(rules.values())), list(dict.fromkeys(table for visit in visits for table in _tables(visit.part)))
    shown = {"leaf": True, "shape": True, "dtype": True, "role": bool(tables), "rule": len(several) > 1, "state": True}
    rows = [tuple(shown)]
    for k, name, leaf in entries:
        trained = is_trainable(leaf)
        number = str(several.index(rules[name]) + 1) if trained else "-"
        cost = _bytes(sum(_size(slot[k]) for slot in owned)) if trained else "-"
        shape, dtype = (str(jnp.shape(leaf)), str(jnp.result_type(leaf))) if trained else ("-", "not trained")
        rows.append((name, shape, dtype, _role(name, leaf, tables) if trained else "-", number, cost))
    leaves = _aligned([tuple(cell for cell, visible in zip(row, shown.values(), strict=True) if visible) for row in rows])
    legend = [("rule", "parts"), *((str(k), ", ".join(rule) or "none: it stays as it is") for k, rule in enumerate(several, start=1))]
    return [leaves, _aligned(legend)] if shown["rule"] else [leaves]


def _rule(name: str, visits: Visits) -> tuple[str, ...]:
    """The parts that the leaf goes through, those that hold no others."""
    places = [v.place for v in visits if name in v.names and not any(moved_by(v.part)) and not _opened(v.part)]
    return tuple(path[-1] for path in places if not any(path != other and path[: len(other)] == other for other in places))


def _tables(value: Any) -> Iterator[Roles]:
    """The tables of roles among the arguments of a transformation, and of those within it."""
    if isinstance(value, Roles):
        yield value.replace(only=None)
    for inner in value.arguments.values() if isinstance(value, Call) else value if isinstance(value, tuple) else ():
        yield from _tables(inner)


def _role(name: str, leaf: Any, tables: list[Roles]) -> str:
    found = (table.of(name, leaf) for table in tables)
    return next((role.arguments["name"] for role in found if role is not None), "-")


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

    return within(without_slots(state, "step"), ())


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
