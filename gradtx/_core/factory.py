"""How a function becomes a factory of values."""

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from gradtx._core.call import Call, Form

P = ParamSpec("P")
C = TypeVar("C", bound=Call)


def factory(cls: type[C], body: Callable[P, Any], **traits: Any) -> Callable[P, C]:
    """A function with the signature of `body` whose call is a value of `cls`, with the checked arguments in it.

    The body of a form that `composes` says at the call what its arguments come to.
    """

    @functools.wraps(body)
    def make(*args: P.args, **kwargs: P.kwargs) -> C:
        arguments = form.bind(args, kwargs)
        return cls(form, body(*arguments[str(form.variadic)]) if form.composes else arguments)  # pyright: ignore[reportCallIssue]

    form = Form(body, make, **traits)
    setattr(make, "form", form)  # noqa: B010 (functions have no declared attributes)
    return make
