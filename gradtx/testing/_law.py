"""A law: a property that every transformation should have, what it is good for, and how to get it back."""

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

LAWS: dict[str, "Law"] = {}
"""Every law by its name, in the order in which reports list them."""


class Violation(Exception):
    """A law is broken at `leaf`: what was expected there, what was seen."""

    def __init__(self, expected: str, seen: str, leaf: str = "") -> None:
        super().__init__(f"{leaf + ': ' if leaf else ''}expected {expected}, saw {seen}")
        self.expected, self.seen, self.leaf = expected, seen, leaf


class NotApplicableError(Exception):
    """A law says nothing about this transformation, or cannot be tried here; the message says why."""


@dataclasses.dataclass(frozen=True)
class Law:
    """One property. `benefit` is what it buys the user, `remedy` how a transformation that lacks it is mended."""

    name: str
    function: Callable[[Any], None]
    remedy: str

    @property
    def benefit(self) -> str:
        return (inspect.getdoc(self.function) or "").split("\n\n")[0]

    def __call__(self, case: Any) -> None:
        """Return if `case` keeps the law; raise `Violation` or `NotApplicableError` otherwise."""
        self.function(case)

    def __repr__(self) -> str:
        return f"<law {self.name}>"


def law(remedy: str) -> Callable[[Callable[[Any], None]], Law]:
    """Register a function of a case as a law. Its docstring says what the law buys the user."""

    def register(function: Callable[[Any], None]) -> Law:
        LAWS[function.__name__] = Law(function.__name__, function, remedy)
        return LAWS[function.__name__]

    return register
