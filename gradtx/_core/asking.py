"""What the `update` of a factory may ask for by keyword, read off the factory's code without calling it."""

import functools
import inspect
import types
from collections.abc import Callable, Iterator
from typing import Any


def asked_keywords(body: Callable[..., Any]) -> frozenset[str]:
    """The keyword-only names of a factory's inner functions, and of the functions of its module that it returns or hands on."""
    found = (code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount] for code in _codes(body))
    return frozenset(name for names in found for name in names)


@functools.cache
def asks_for_anything(body: Callable[..., Any]) -> bool:
    """Whether the factory's `update` has a `**extras`."""
    return any(code.co_name == "update" and code.co_flags & inspect.CO_VARKEYWORDS for code in _codes(body))


def takes_extras(update: Callable[..., Any]) -> bool:
    """Whether a function takes extras under any name."""
    return any(p.kind is p.VAR_KEYWORD for p in inspect.signature(update).parameters.values())


def asks_by_keyword(function: Callable[..., Any]) -> bool:
    """Whether a function asks for anything by keyword."""
    return any(p.kind in (p.KEYWORD_ONLY, p.VAR_KEYWORD) for p in inspect.signature(function).parameters.values())


def _codes(body: Callable[..., Any]) -> Iterator[types.CodeType]:
    yield from _within(body.__code__)
    for name in body.__code__.co_names:
        mentioned = body.__globals__.get(name)
        if inspect.isfunction(mentioned) and mentioned.__module__ == body.__module__ and not hasattr(mentioned, "form"):
            yield from (mentioned.__code__, *_within(mentioned.__code__))


def _within(code: types.CodeType) -> Iterator[types.CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield constant
            yield from _within(constant)
