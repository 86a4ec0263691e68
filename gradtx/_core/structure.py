"""An argument that is part of the structure: compared by value, never traced."""

import dataclasses
from collections.abc import Callable
from typing import Any, cast, final

import numpy as np

from gradtx._core.hints import instead_of_static
from gradtx._core.kinds import Kind, is_traced, shown


def _is_hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


_IN_WORDS: dict[Any, str] = {
    int: "a Python integer",
    str: "a string",
    bool: "True or False",
    Callable: "a function",
    type(None): "None",
}


@final
@dataclasses.dataclass(frozen=True)
class StaticKind(Kind):
    """A string, bool, shape-like int, function or tuple of them: part of the structure, compared by value.

    `choices` are the only values, `types` the only types it may have; empty means any. `least` is its smallest value.
    """

    choices: tuple[Any, ...] = ()
    types: tuple[Any, ...] = ()
    least: int | None = None
    dynamic = False

    def accept(self, value: Any, where: str) -> Any:
        if is_traced(value):
            raise TypeError(f"{where} is part of the optimizer's structure and cannot be traced, got {shown(value)}. Pass a Python value.")
        value = value.item() if isinstance(value, np.integer | np.bool_) else value
        if not _is_hashable(value):
            raise TypeError(
                f"{where} is part of the optimizer's structure and must be hashable, got {shown(value)}.{instead_of_static(value)}"
            )
        if self.choices and value not in self.choices:
            raise ValueError(f"{where} must be one of {', '.join(map(repr, self.choices))}, got {value!r}.")
        if self.types and type(value) not in self.types and not (Callable in self.types and callable(value)):
            words = " or ".join(_IN_WORDS[kind] for kind in self.types)
            raise TypeError(f"{where} must be {words}, got {shown(value)}. It is part of the optimizer's structure.")
        if self.least is not None and cast(int, value) < self.least:
            raise ValueError(f"{where} must be at least {self.least}, got {value}.")
        return value

    def resolve(self, value: Any, where: str, context: Any) -> Any:
        return value
