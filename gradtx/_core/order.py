"""What may stand where in a chain: one whose parts cannot be meant as they stand is refused when it is made."""

import typing
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, TypeAlias

from gradtx._core.call import Call
from gradtx._core.types import LearningRate

Place: TypeAlias = Literal["first", "last", "anywhere"]
"""Where in a chain a part has to stand: it takes the gradient anew, nothing may change what it makes, or it changes nothing."""

_RATE = typing.get_args(LearningRate)[1]


def moved_by(tx: Call) -> Iterator[Call]:
    """The transformations that `tx` runs on the updates: the parts of a chain, what a wrapper wraps. Moments move no updates."""
    for name, value in tx.children():
        if getattr(tx.form.kinds[name], "statistic", None) is False:
            yield from value if isinstance(value, tuple) else (value,)


def found(tx: Call, meant: Callable[[Call], bool]) -> Call | None:
    """The first transformation in `tx`, itself or one that it runs on the updates, which is meant."""
    within = (found(inner, meant) for inner in moved_by(tx))
    return tx if meant(tx) else next((inner for inner in within if inner is not None), None)


def gives_learning_rate(tx: Call) -> bool:
    """Whether one of its own arguments is a learning rate."""
    return any(_RATE in (kind, getattr(kind, "kind", None)) for kind in tx.form.kinds.values())


def _points_uphill(tx: Call) -> bool:
    return tx.form.uphill is True


def _points_downhill(tx: Call) -> bool:
    return tx.form.uphill is False


def check_order(parts: Sequence[Call]) -> None:
    """Refuse a chain whose parts cannot be meant in this order."""
    _check_directions(parts)
    _check_ends(parts)


def _check_directions(parts: Sequence[Call]) -> None:
    """Refuse a second learning rate, what points uphill behind the first, and what points downhill before it."""
    rated: tuple[int, Call] | None = None
    early: tuple[int, Call] | None = None
    for k, part in enumerate(parts, start=1):
        rate, uphill = found(part, gives_learning_rate), found(part, _points_uphill)
        if rated and rate:
            raise ValueError(
                f"chain: part {k} gives a learning rate, {rate.form.name}(...), behind that of part {rated[0]}, "
                f"{rated[1].form.name}(...): steps that were negated already would be negated again and go uphill. Keep one of the two, "
                "and scale(c) to change its size; for optimizers of their own for some leaves, write partition((where, ...), (None, ...))."
            )
        if rated and uphill:
            name, before = uphill.form.name, rated[1].form.name
            raise ValueError(
                f"chain: part {k}, {name}(...), stands behind the learning rate of part {rated[0]}, {before}(...), where updates point "
                f"downhill: what it adds would push uphill. Put it before: chain({name}(...), {before}(...)), or between the parts and "
                f"the learning rate: chain(..., {name}(...), scale_by_learning_rate(...))."
            )
        if early and rate:
            name, behind = early[1].form.name, rate.form.name
            raise ValueError(
                f"chain: part {early[0]}, {name}(...), stands before the learning rate of part {k}, {behind}(...), where updates point "
                f"uphill: what it adds would push uphill too. Put it behind: chain({behind}(...), {name}(...))."
            )
        rated = rated or (rate and (k, rate))
        downhill = None if rated else found(part, _points_downhill)
        early = early or (downhill and (k, downhill))


def stands(tx: Call, place: Place) -> Call | None:
    """The part that `tx` is or runs which has to stand in that place."""
    return found(tx, lambda part: part.form.stands == place)


def _changes_nothing(tx: Call) -> bool:
    within = tx.form.renames or tx.form.composes
    return all(map(_changes_nothing, moved_by(tx))) if within else tx.form.stands == "anywhere"


def _instead(part: Call, last: Call) -> str:
    """What to write where `part` stands behind `last`, which has to be the last."""
    name, before = part.form.name, last.form.name
    if any(moved_by(last)):
        return f"Put it into what that wraps: {before}(chain(..., {name}(...)))."
    if found(part, _points_downhill):
        return f"Leave {name}(...) out."
    return f"Leave {name}(...) out, or put it before, where it changes the gradient: chain({name}(...), {before}(...))."


def _check_ends(parts: Sequence[Call]) -> None:
    """Refuse what stands before a part that takes the gradient anew, and what stands behind one whose updates nothing may change."""
    before: tuple[int, Call] | None = None
    ended: tuple[int, Call] | None = None
    for k, part in enumerate(parts, start=1):
        if _changes_nothing(part):
            continue
        begins, ends = stands(part, "first"), stands(part, "last")
        if before and begins:
            name, lost = begins.form.name, before[1].form.name
            raise ValueError(
                f"chain: part {k}, {name}(...), has to stand first: it takes the gradient anew, and what part {before[0]}, {lost}(...), "
                f"does before it is lost. Write chain({name}(...), {lost}(...))."
            )
        if ended:
            raise ValueError(
                f"chain: part {k}, {part.form.name}(...), stands behind part {ended[0]}, {ended[1].form.name}(...), which has to stand "
                f"last: its updates lead to where the weights should be, and nothing may change them. {_instead(part, ended[1])}"
            )
        before, ended = before or (k, part), ends and (k, ends)
