"""How a transformation runs: the state entry of each part, the flow through the parts, the scopes.

A chain carries two values, the updates and the gradient behind them. Until a part averages, the gradient follows the
updates; from then on it stays what that part was given. A factory whose body returns a chain, or a wrapper around one,
opens a scope: inside, the gradient begins as what comes in; seen from outside, a scope that averaged is one averaging
part.
"""

import collections
import dataclasses
import typing
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.call import Call
from gradtx._core.flow import Flow
from gradtx._core.kinds import shown
from gradtx._core.order import found, gives_learning_rate, moved_by
from gradtx._core.signals import Signals, call_update
from gradtx._core.trees import path_name, structure_difference
from gradtx._core.types import PyTree


@dataclasses.dataclass
class Context:
    """What a factory's arguments are resolved with, and the flow that its inner transformation, or its moment, left last."""

    signals: Signals
    params: PyTree = None
    flow: Flow | None = None
    inner: Flow | None = None
    moment: Flow | None = None

    @property
    def step(self) -> Any:
        return self.signals.step

    @property
    def where(self) -> str:
        return self.signals.where

    @property
    def layer(self) -> Any:
        return self.signals.layer

    def of_nonnegative(self) -> "Context":
        """The context of a moment that is fed with squares or magnitudes."""
        return dataclasses.replace(self, signals=self.signals.replace(nonnegative=True))


def label(tx: Call) -> str:
    """The name of a part's entry in the state."""
    return tx.arguments["name"] if tx.form.renames else tx.form.name


def check_label(name: str) -> None:
    """Refuse a name under which no path in the state could be read."""
    if not name or "/" in name:
        raise ValueError(f"name={name!r} must have at least one character and no '/', which separates the names in a path of the state.")


def labels(parts: Sequence[Call]) -> list[str]:
    """The names of a chain's parts; the second of two equal ones becomes `name_2`."""
    seen: collections.Counter[str] = collections.Counter()
    names: list[str] = []
    for part in parts:
        name = label(part)
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    for name, times in collections.Counter(names).items():
        if times > 1:
            raise ValueError(f"chain: {times} parts would be called {name!r} in the state. Give named(...) a name that no other part has.")
    return names


def with_slots(entries: Mapping[str, Any], part: str, **slots: Any) -> dict[str, Any]:
    """The slots of a moment beside the entries of the one it decorates."""
    for name in slots:
        if name in entries:
            raise ValueError(f"{part}: a part inside it cannot be called {name!r}; it keeps a slot under that name. Choose another.")
    return {**entries, **slots}


def without_slots(state: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The entries of a state but those under `names`: what `with_slots` was given."""
    return {name: entry for name, entry in state.items() if name not in names}


def init_entries(tx: Call, params: PyTree, signals: Signals) -> dict[str, Any]:
    """The state of `tx` under its name; nothing for a part that remembers nothing."""
    if tx.form.composes:
        parts = tx.arguments["transformations"]
        return {n: s for n, part in zip(labels(parts), parts, strict=True) for s in [_init(part, n, params, signals)] if s is not None}
    name = label(tx)
    content = _init(tx, name, params, signals)
    return {} if content is None else {name: content}


def _init(tx: Call, name: str, params: PyTree, signals: Signals) -> Any:
    signals = signals.within(name)
    signals.visit(tx, params)
    opened = tx.form.open(tx.arguments, Context(signals, params))
    if isinstance(opened, Call):
        return init_entries(opened, params, signals) or None
    return _remembered(_pair(opened, signals)[0](params))


def _remembered(content: Any) -> Any:
    """A part's state, or None where it remembers nothing: `()`, `{}` and empty tuples of other libraries all mean that."""
    if isinstance(content, dict):
        return content or None
    return content if jax.tree.leaves(content) else None


def _pair(opened: Any, signals: Signals) -> Any:
    if isinstance(opened, tuple) and len(opened) in (2, 3) and all(map(callable, opened)):
        return opened
    raise TypeError(
        f"{signals.where}: the factory must return (init, update) or a transformation, but it returned {type(opened).__name__}."
    )


def _step(returned: Any, signals: Signals) -> Any:
    if isinstance(returned, tuple | list) and len(typing.cast(tuple[Any, ...], returned)) > 1:
        return returned
    raise TypeError(f"{signals.where}: its update must return (updates, state), but it returned {shown(returned)}.")


def update_entries(tx: Call, flow: Flow, entries: dict[str, Any], params: PyTree, signals: Signals) -> tuple[Flow, dict[str, Any]]:
    """Run `tx` on its own entries of a state."""
    composes = tx.form.composes
    parts = tx.arguments["transformations"] if composes else (tx,)
    kept: dict[str, Any] = {}
    for name, part in zip(labels(parts), parts, strict=True):
        flow, content = _update(part, flow, entries.get(name), params, signals.within(name))
        if content is not None:
            kept[name] = content
    return flow, kept


def _update(tx: Call, flow: Flow, content: Any, params: PyTree, signals: Signals) -> tuple[Flow, Any]:
    context = Context(signals, params, flow)
    opened = tx.form.open(tx.arguments, context)
    if isinstance(opened, Call):
        scoped = not tx.form.renames and holds_chain(opened)
        inner, entries = update_entries(opened, flow.entered() if scoped else flow, content or {}, params, signals)
        turned = found(opened, gives_learning_rate) is not None
        return flow.left(inner, turned) if scoped else _turned(tx, inner), entries or None
    new, content, *published = _step(call_update(_pair(opened, signals)[1], flow, content, params, signals), signals)
    averages = tx.form.averages(content, context.moment) if callable(tx.form.averages) else tx.form.averages
    if isinstance(new, Flow):
        after = new
    elif averages:
        read = {"average": new, **(context.moment.published if context.moment else {})}
        after = Flow(new, flow.gradient, {**flow.published, **read}, True, flow.downhill)
    else:
        after = (context.inner or flow).moved(new)
    after = _turned(tx, after)
    for values in published:
        after = dataclasses.replace(after, published={**after.published, **values})
    _check_updates(after, flow.updates, signals)
    return after, _remembered(content)


def _turned(tx: Call, flow: Flow) -> Flow:
    """The flow behind a part: with its learning rate, updates turn against a gradient that no longer follows them."""
    return dataclasses.replace(flow, downhill=True) if flow.averaged and gives_learning_rate(tx) else flow


def holds_chain(tx: Call) -> bool:
    """Whether `tx` is a chain or a wrapper around one. Moments are no wrappers: what they hold moves no updates."""
    return tx.form.composes or any(map(holds_chain, moved_by(tx)))


def _check_updates(flow: Flow, before: PyTree, signals: Signals) -> None:
    _check_like(flow.updates, before, signals, "updates")
    if flow.averaged:
        _check_like(flow.gradient, before, signals, "a gradient behind its updates")


def _check_like(new: PyTree, old: PyTree, signals: Signals, called: str) -> None:
    if jax.tree.structure(new) != jax.tree.structure(old):
        raise ValueError(f"{signals.where} returned {called} of another structure: {structure_difference(old, new)}.")
    for (path, after), before in zip(jax.tree_util.tree_leaves_with_path(new), jax.tree.leaves(old), strict=True):
        if jnp.shape(after) != jnp.shape(before):
            raise ValueError(
                f"{signals.where} returned {'an update' if called == 'updates' else called} of shape {jnp.shape(after)} at "
                f"{path_name(path)}, where the update it was given has shape {jnp.shape(before)}."
            )
