"""Which functions may become factories, and the name that a spec gives them."""

import inspect
from collections.abc import Callable
from typing import Any, cast

from gradtx._core.kinds import shown

_OWN = __name__.partition(".")[0] + "."


def is_own(body: Callable[..., Any]) -> bool:
    """Whether gradtx brings this function: read off where it was written, for `functools.wraps` copies every other mark."""
    return body.__globals__["__name__"].startswith(_OWN)


def spec_name(body: Callable[..., Any]) -> str:
    """The name alone for what gradtx brings, `module:name` for what users write; an error for what no factory is made from."""
    if hasattr(body, "form") and not hasattr(body, "arguments"):
        raise TypeError(f"{cast(Any, body).form.name} is a factory already. To make another of it, decorate a function that calls it.")
    if not inspect.isfunction(body):
        raise TypeError(f"A factory is made from a function that returns (init, update) or a transformation, got {shown(body)}.")
    return body.__name__.lstrip("_") if is_own(body) else f"{body.__globals__['__name__']}:{body.__qualname__}"
