"""How a transformation runs: the state entry of each part, the gradient that travels beside the updates, the scopes.

A chain carries two values, the updates and the gradient behind them. Until a part averages, the gradient follows the
updates; from then on it stays what that part was given. A factory whose body returns a chain opens a scope: inside,
the gradient begins as what comes in; seen from outside, a scope that averaged is one averaging part.
"""

import collections
import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.call import Call
from gradtx._core.signals import Outcome, Signals, call_update
from gradtx._core.trees import path_name, structure_difference
from gradtx._core.types import PyTree


@dataclasses.dataclass(frozen=True)
class Context:
    """What a factory's arguments are resolved with: the signals at its place, and where inner parts leave their outcome."""

    signals: Signals
    params: PyTree
    outcome: Outcome
    averages: bool = False

    @property
    def step(self) -> Any:
        return self.signals.step

    @property
    def where(self) -> str:
        return self.signals.where

    def inside(self, statistic: bool) -> "Context":
        """The context of an argument. A moment's outcome concerns the update only if the part is its average."""
        return self if not statistic or self.averages else dataclasses.replace(self, outcome=Outcome())


def label(tx: Call) -> str:
    """The name of a part's entry in the state."""
    return tx.arguments["name"] if tx.form.name == "named" else tx.form.name


def labels(parts: Sequence[Call]) -> list[str]:
    """The names of a chain's parts; the second of two equal ones becomes `name_2`."""
    seen: collections.Counter[str] = collections.Counter()
    names: list[str] = []
    for part in parts:
        name = label(part)
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return names


def init_entries(tx: Call, params: PyTree, signals: Signals) -> dict[str, Any]:
    """The state of `tx` under its name; nothing for a part that remembers nothing."""
    if tx.form.composes:
        parts = tx.arguments["transformations"]
        return {n: s for n, part in zip(labels(parts), parts, strict=True) for s in [_init(part, n, params, signals)] if s is not None}
    name = label(tx)
    content = _init(tx, name, params, signals)
    return {} if content is None else {name: content}


def _init(tx: Call, name: str, params: PyTree, signals: Signals) -> Any:
    signals = signals.replace(path=(*signals.path, name))
    opened = tx.form.open(tx.arguments, Context(signals, params, Outcome()))
    if isinstance(opened, Call):
        return init_entries(opened, params, signals) or None
    return _remembered(_pair(opened, signals)[0](params))


def _remembered(content: Any) -> Any:
    """A part's state, or None where it remembers nothing: `()`, `{}` and empty tuples of other libraries all mean that."""
    if isinstance(content, dict):
        return content or None
    return content if jax.tree.leaves(content) else None


def _pair(opened: Any, signals: Signals) -> Any:
    if isinstance(opened, tuple) and len(opened) == 2 and all(map(callable, opened)):
        return opened
    raise TypeError(
        f"{signals.where}: the factory must return (init, update) or a transformation, but it returned {type(opened).__name__}."
    )


def update_entries(
    tx: Call, updates: PyTree, entries: dict[str, Any], params: PyTree, signals: Signals
) -> tuple[PyTree, dict[str, Any], Outcome]:
    """Run `tx` on its own entries of a state."""
    if tx.form.composes:
        return _update_chain(tx.arguments["transformations"], updates, entries, params, signals)
    name = label(tx)
    updates, content, outcome = _update(tx, name, updates, entries.get(name), params, signals)
    return updates, {} if content is None else {name: content}, outcome


def _update_chain(
    parts: Sequence[Call], updates: PyTree, entries: dict[str, Any], params: PyTree, signals: Signals
) -> tuple[PyTree, dict[str, Any], Outcome]:
    total = Outcome()
    kept: dict[str, Any] = {}
    for name, part in zip(labels(parts), parts, strict=True):
        updates, content, outcome = _update(part, name, updates, entries.get(name), params, signals)
        if content is not None:
            kept[name] = content
        total.absorb(outcome)
        averaged = signals.averaged or outcome.averaged
        behind = signals.gradient if outcome.gradient is None else outcome.gradient
        signals = signals.replace(
            averaged=averaged,
            gradient=behind if averaged else updates,
            published={**signals.published, **outcome.published},
        )
    total.gradient = signals.gradient
    return updates, kept, total


def _update(tx: Call, name: str, updates: PyTree, content: Any, params: PyTree, signals: Signals) -> tuple[PyTree, Any, Outcome]:
    signals = signals.replace(path=(*signals.path, name))
    outcome = Outcome()
    opened = tx.form.open(tx.arguments, Context(signals, params, outcome, bool(tx.form.averages)))
    if isinstance(opened, Call):
        opens_scope = opened.form.composes and tx.form.scope
        if opens_scope:
            signals = signals.replace(gradient=updates, averaged=False, published={})
        updates, entries, inner = update_entries(opened, updates, content or {}, params, signals)
        return updates, entries or None, Outcome(inner.averaged) if opens_scope else inner
    result = call_update(_pair(opened, signals)[1], updates, content, params, signals)
    new, content, *published = result
    averages = tx.form.averages(content) if callable(tx.form.averages) else tx.form.averages
    if averages:
        outcome.averaged = True
        outcome.published.setdefault("average", new)
    for values in published:
        outcome.published.update(values)
    _check_updates(new, updates, signals)
    return new, _remembered(content), outcome


def _check_updates(new: PyTree, updates: PyTree, signals: Signals) -> None:
    if jax.tree.structure(new) != jax.tree.structure(updates):
        raise ValueError(f"{signals.where} returned updates of another structure: {structure_difference(updates, new)}.")
    for (path, after), before in zip(jax.tree_util.tree_leaves_with_path(new), jax.tree.leaves(updates), strict=True):
        if jnp.shape(after) != jnp.shape(before):
            raise ValueError(
                f"{signals.where} returned an update of shape {jnp.shape(after)} at {path_name(path)}, "
                f"where the update it was given has shape {jnp.shape(before)}."
            )
