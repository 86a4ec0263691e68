"""Which kind of argument an annotation asks for, several of one kind and none of it included."""

import inspect
import types
import typing
from collections.abc import Callable, Sequence
from typing import Any, Literal, final

import jax
import numpy as np

from gradtx._core.kinds import AnyKind, Kind, NumberKind, shown
from gradtx._core.structure import StaticKind


@final
class OptionalKind(Kind):
    """What `kind` says, or None."""

    def __init__(self, kind: Kind) -> None:
        self.kind, self.dynamic = kind, kind.dynamic

    @property
    def statistic(self) -> bool | None:
        """Whether it is a moment; None if it is no transformation."""
        return getattr(self.kind, "statistic", None)

    def accept(self, value: Any, where: str) -> Any:
        return None if value is None else self.kind.accept(value, where)

    def resolve(self, value: Any, where: str, context: Any) -> Any:
        return None if value is None else self.kind.resolve(value, where, context)


@final
class TupleKind(Kind):
    """A tuple, given as a tuple or a list: as many as there are `kinds`, or any number if there is one that `repeats`."""

    def __init__(self, kinds: tuple[Kind, ...], repeats: bool = True) -> None:
        self.kinds, self.repeats, self.dynamic = kinds, repeats, kinds[0].dynamic

    @property
    def statistic(self) -> bool | None:
        """Whether they are moments; None if they are no transformations."""
        return getattr(self.kinds[0], "statistic", None)

    def each(self, values: Sequence[Any]) -> tuple[Kind, ...]:
        return self.kinds * len(values) if self.repeats else self.kinds

    def accept(self, value: Any, where: str) -> Any:
        if not isinstance(value, tuple | list):
            raise TypeError(f"{where} must be a tuple, got {shown(value)}. Write (a, b), or (a,) for one alone.")
        items = typing.cast(Sequence[Any], value)
        kinds = self.each(items)
        if len(items) != len(kinds):
            raise ValueError(f"{where} must be a tuple of {len(kinds)}, got {len(items)}.")
        return tuple(kind.accept(item, f"{where}[{k}]") for k, (kind, item) in enumerate(zip(kinds, items, strict=True)))

    def resolve(self, value: Any, where: str, context: Any) -> Any:
        pairs = zip(self.each(value), value, strict=True)
        return tuple(kind.resolve(item, f"{where}[{k}]", context) for k, (kind, item) in enumerate(pairs))


@final
class EitherKind(Kind):
    """A number or a tree of them as `kind` says, or a transformation as `part` says."""

    dynamic = True

    def __init__(self, kind: Kind, part: Kind) -> None:
        self.kind, self.part = kind, part

    def of(self, value: Any) -> Kind:
        return self.part if hasattr(value, "init") and hasattr(value, "update") else self.kind

    def accept(self, value: Any, where: str) -> Any:
        return self.of(value).accept(value, where)

    def resolve(self, value: Any, where: str, context: Any) -> Any:
        return self.of(value).resolve(value, where, context)


def kinds_of(body: Callable[..., Any], signature: inspect.Signature, name: str) -> dict[str, Kind]:
    """The kind of each argument of a factory, those of `*parts` together."""
    kinds, hints = dict[str, Kind](), typing.get_type_hints(body, include_extras=True)
    for argument, parameter in signature.parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            raise TypeError(f"{name}: the arguments of a factory have names of their own; **{argument} has none. List them.")
        kind = kind_of(hints.get(argument), argument in hints, parameter.default)
        kinds[argument] = TupleKind((kind,)) if parameter.kind is parameter.VAR_POSITIONAL else kind
    return kinds


def kind_of(annotation: Any, annotated: bool = True, default: Any = ...) -> Kind:
    """The kind that an annotation asks for. A default of None says that None may stand for it."""
    kind = _kind_of(annotation) if annotated else AnyKind()
    return _optional(kind) if default is None else kind


def _optional(kind: Kind) -> Kind:
    if isinstance(kind, OptionalKind):
        return kind
    if isinstance(kind, StaticKind):
        choices = dict.fromkeys((*kind.choices, None)) if kind.choices else ()
        return StaticKind(tuple(choices), tuple(dict.fromkeys((*kind.types, type(None)))) if kind.types else ())
    return OptionalKind(kind) if kind.dynamic or isinstance(kind, TupleKind) else kind


def _kind_of(annotation: Any) -> Kind:
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        noted = next((note for note in annotation.__metadata__ if isinstance(note, Kind)), None)
        return kind_of(inner[0]) if noted is None else _optional(noted) if _says_none(inner[0]) else noted
    if origin is Literal:
        return StaticKind(inner)
    if _is_union(annotation):
        kind = _any_of([_kind_of(member) for member in inner if member is not type(None)])
        return _optional(kind) if _says_none(annotation) else kind
    if origin in (tuple, list, Sequence):
        return _several(annotation, inner)
    return _plain(annotation)


def _is_union(annotation: Any) -> bool:
    return isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union


def _says_none(annotation: Any) -> bool:
    return _is_union(annotation) and type(None) in typing.get_args(annotation)


def _any_of(kinds: list[Kind]) -> Kind:
    """The kind of a union: the first with leaves, a transformation beside it; of structure, whatever one of the members allows."""
    dynamic = [kind for kind in kinds if kind.dynamic]
    if len(kinds) == 1:
        return kinds[0]
    if dynamic:
        parts = [kind for kind in dynamic if getattr(kind, "statistic", None) is not None and not isinstance(kind, TupleKind)]
        others = [kind for kind in dynamic if kind not in parts]
        return EitherKind(others[0], parts[0]) if parts and others else dynamic[0]
    static = [kind if isinstance(kind, StaticKind) else StaticKind() for kind in kinds]
    choices = tuple(choice for kind in static for choice in kind.choices) if all(kind.choices for kind in static) else ()
    return StaticKind(choices, tuple(t for kind in static for t in kind.types) if all(kind.types for kind in static) else ())


def _several(annotation: Any, inner: tuple[Any, ...]) -> Kind:
    repeats = inner[1:] == (...,) or typing.get_origin(annotation) is not tuple
    kinds = tuple(_kind_of(member) for member in inner if member is not ...)
    if not kinds:
        return StaticKind()
    if len({kind.dynamic for kind in kinds}) > 1:
        raise TypeError(f"{annotation} mixes numbers or transformations with structure (str, bool, int, ...). Make two arguments of it.")
    return TupleKind(kinds, repeats)


def _plain(annotation: Any) -> Kind:
    if isinstance(annotation, type):
        if hasattr(annotation, "argument_kind"):
            return typing.cast(Any, annotation).argument_kind
        if issubclass(annotation, float | np.floating | jax.Array | np.ndarray):
            return NumberKind()
        if annotation in (int, bool, str):
            return StaticKind(types=(annotation,))
    return StaticKind(types=(Callable,) if Callable in (annotation, typing.get_origin(annotation)) else ())
