"""Leaves that go different ways: a tree, and what flows, cut into shares by owner and joined again."""

from collections.abc import Sequence
from typing import Any

import jax

from gradtx._core.flow import Flow
from gradtx._core.types import PyTree


def _is_none(leaf: Any) -> bool:
    return leaf is None


def only(tree: PyTree, owners: PyTree, owner: int) -> PyTree:
    """The leaves of `tree` that belong to one owner; the others are None."""
    return jax.tree.map(lambda leaf, own: leaf if own == owner else None, tree, owners)


def joined(trees: Sequence[PyTree], owners: PyTree) -> PyTree:
    """One tree with each leaf from the tree of its owner."""
    return jax.tree.map(lambda own, *leaves: None if own is None else leaves[own], owners, *trees, is_leaf=_is_none)


def joined_flow(flows: Sequence[Flow], owners: PyTree) -> Flow:
    """What flows behind all of them: their own leaves of everything that each of them has."""
    everywhere = set[str].intersection(*(set(flow.published) for flow in flows))
    published = {name: joined([flow.published[name] for flow in flows], owners) for name in flows[0].published if name in everywhere}
    updates = joined([flow.updates for flow in flows], owners)
    return Flow(
        updates,
        joined([flow.gradient for flow in flows], owners),
        published,
        *(any(getattr(flow, trait) for flow in flows) for trait in ("averaged", "downhill")),
    )


def without_empty(entries: dict[str, Any]) -> dict[str, Any]:
    """The state of those that remember something."""
    return {name: entry for name, entry in entries.items() if entry}
