"""Where a loss is evaluated: the walk to the one part that keeps other parameters for it than those that are trained."""

from collections.abc import Mapping
from typing import Any

from gradtx._core.call import Call
from gradtx._core.order import moved_by
from gradtx._core.run import Context, label, labels
from gradtx._core.signals import Signals
from gradtx._core.types import PyTree


def averaging_parts(tx: Call, signals: Signals) -> list[str]:
    """The places of the parts within `tx` that give other parameters to evaluate at: more than one if that is ambiguous.

    A part that says how to evaluate through all that it wraps, as `partition` does group by group, counts once.
    """
    if tx.form.composes:
        parts = tx.arguments["transformations"]
        return [place for name, part in zip(labels(parts), parts, strict=True) for place in _places(part, signals.within(name))]
    return _places(tx, signals.within(label(tx)))


def _places(tx: Call, signals: Signals) -> list[str]:
    opened = tx.form.open(tx.arguments, Context(signals))
    if isinstance(opened, Call):
        return averaging_parts(opened, signals)
    own = [signals.where] if tx.form.evaluates else []
    wrapped = [averaging_parts(inner, signals) for inner in moved_by(tx)]
    if len(opened) == 3:
        return own + max(wrapped, key=len, default=[])
    return own + [place for places in wrapped for place in places]


def evaluated_entries(tx: Call, params: PyTree, entries: Mapping[str, Any], signals: Signals) -> PyTree:
    """The parameters to evaluate at, from the entries of a state: those of the one part that averages, else `params`."""
    parts = tx.arguments["transformations"] if tx.form.composes else (tx,)
    for name, part in zip(labels(parts), parts, strict=True):
        if _places(part, signals.within(name)):
            return _evaluated(part, params, entries.get(name), signals.within(name))
    return params


def _evaluated(tx: Call, params: PyTree, content: Any, signals: Signals) -> PyTree:
    opened = tx.form.open(tx.arguments, Context(signals, params))
    if isinstance(opened, Call):
        return evaluated_entries(opened, params, content or {}, signals)
    if len(opened) != 3:
        raise TypeError(
            f"{signals.where} holds a part that averages the parameters, and does not say how to evaluate through it. Put the average "
            "around it; a wrapper of your own returns a third function: lambda params, state: inner.evaluate(params, state)."
        )
    return opened[2](params, content)
