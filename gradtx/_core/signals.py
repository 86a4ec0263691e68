"""What a part may ask for by keyword: the flow and what is in it, the step, and the caller's extras."""

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

import jax

from gradtx._core.at_first_use import import_all
from gradtx._core.call import FORMS
from gradtx._core.flow import Flow
from gradtx._core.hints import nearest
from gradtx._core.trees import Leaves, path_names
from gradtx._core.types import PyTree

KEPT = ("gradient", "step", "average", "spectrum", "flow")
"""Signals that the library itself provides, so no caller may pass them."""

CUSTOMARY = frozenset({"value", "grad", "value_fn"})
"""Extras that generic loops pass to every optimizer, whether or not it reads them."""

OF_PARAMETERS = ("value_fn",)
"""Extras that are functions of the parameters. Parts see them as functions of the inner tree."""


class Visit(NamedTuple):
    """A part with its place in the optimizer, the names of the user's leaves that it sees, and what it sees by path: shape and dtype.

    `nonnegative` is that of `Signals` there.
    """

    place: tuple[str, ...]
    part: Any
    names: frozenset[str]
    seen: Mapping[tuple[str, ...], jax.ShapeDtypeStruct]
    nonnegative: bool


Visits: TypeAlias = list[Visit]


@dataclasses.dataclass(frozen=True)
class Signals:
    """What does not change on the way through a chain: the step, the caller's extras and leaves, and the place in the optimizer.

    `nonnegative` says that what goes into a moment cannot be negative; `layer` is the layer's number where layers run side by side;
    `visits` collects, where somebody asks, the parts with their places and the leaves that they see at init.
    """

    step: Any
    leaves: Leaves | None = None
    extras: Mapping[str, Any] = dataclasses.field(default_factory=dict[str, Any])
    path: tuple[str, ...] = ()
    nonnegative: bool = False
    layer: Any = None
    visits: Visits | None = None

    @property
    def where(self) -> str:
        return "/".join(name for name in self.path if name != "stateless") or "stateless"

    def replace(self, **changes: Any) -> "Signals":
        return dataclasses.replace(self, **changes)

    def within(self, name: str) -> "Signals":
        return self.replace(path=(*self.path, name))

    def visit(self, tx: Any, params: PyTree) -> None:
        """Note that `tx` begins here, with these leaves."""
        if self.visits is not None and self.leaves is not None:
            entries = jax.tree_util.tree_leaves_with_path(params)
            names = frozenset(self.leaves.at(path, leaf)[0] for path, leaf in entries)
            seen = {path_names(path): jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for path, leaf in entries}
            self.visits.append(Visit(self.path, tx, names, seen, self.nonnegative))


def call_update(update: Callable[..., Any], flow: Flow, state: Any, params: PyTree, signals: Signals) -> Any:
    """Call a part's `update` with the signals and extras that its signature asks for by keyword."""
    parameters = inspect.signature(update).parameters.values()
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    asks = len(positional) > 2 and positional[2].default is inspect.Parameter.empty
    if asks and params is None and jax.tree.leaves(flow.updates):
        raise ValueError(f"{signals.where} needs the parameters: call update(gradients, state, params).")
    available = {**signals.extras, **flow.published, "gradient": flow.gradient, "step": signals.step, "flow": flow}
    asked = {p.name: p for p in parameters if p.kind is p.KEYWORD_ONLY}
    for name, parameter in asked.items():
        if name not in available and parameter.default is inspect.Parameter.empty:
            raise TypeError(_missing(signals, name))
    chosen = {name: available[name] for name in asked if name in available}
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        chosen = {**signals.extras, **chosen}
    return update(*(flow.updates, state, params)[: len(positional)], **chosen)


def _missing(signals: Signals, name: str) -> str:
    if name == "average":
        return f"{signals.where} needs the running average of the gradient: put scale_by_momentum(...) before it in the chain."
    passed = ", ".join(sorted(signals.extras)) or "none"
    hint = ", for example value_fn=lambda params: loss(params, batch)" if name == "value_fn" else ""
    return f"{signals.where} needs the extra {name!r}: call update(gradients, state, params, {name}=...){hint}. Extras passed: {passed}."


def check_extras(extras: Iterable[str], part: str, accepts_any: bool) -> None:
    """Refuse extras that no transformation declares: they are misspellings."""
    if not extras:
        return
    declared = _declared()
    if not declared.issuperset(extras):
        import_all()
        declared = _declared()
    for name in extras:
        if name in KEPT:
            raise TypeError(f"{part}: {name!r} is kept by the optimizer itself; leave it out.")
        if name not in declared and not accepts_any:
            raise TypeError(
                f"{part}: no transformation takes an extra called {name!r}{nearest(name, declared)}. "
                f"Known extras: {', '.join(sorted(declared))}."
            )


def _declared() -> set[str]:
    return {name for form in FORMS.values() for name in form.keywords} - set(KEPT) | CUSTOMARY
