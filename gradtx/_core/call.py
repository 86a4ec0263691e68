"""A value that is a factory and the arguments it was called with: readable, comparable, a pytree of its numbers."""

import functools
import inspect
import types
import typing
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any, Self

import jax

from gradtx._core.annotations import TupleKind, kinds_of
from gradtx._core.asking import asked_keywords, asks_for_anything
from gradtx._core.body import is_own, spec_name
from gradtx._core.hints import nearest
from gradtx._core.joint import Check, check_arguments, run_check
from gradtx._core.kinds import Kind, handed_out, leaf_identity, shown
from gradtx._core.written import readable, source

FORMS: dict[str, "Form"] = {}
"""Every decorated factory that has been imported, by the name that a spec gives it."""

OF_CALLS = {"form", "arguments", "replace", "at_step", "argument_kind", "children", "branches", "written"}
RESERVED = OF_CALLS | {"init", "update", "carry", "evaluate", "pair", "bind", "nonnegative"}


class Form:
    """A decorated factory: its name, its body and what each of its arguments may be.

    `averages` says that its updates are a running average (or tells so from state and moment); `composes` that it is `chain` itself;
    `renames` that it only gives another its argument `name`; `uphill` that it adds what points uphill (False: downhill); `stands` where in
    a chain it has to; `evaluates` that it keeps parameters to evaluate at; `any_extras` if it takes any extra; `check` sees all arguments.
    """

    def __init__(
        self,
        body: Callable[..., Any],
        make: Callable[..., Any],
        *,
        averages: bool | Callable[[Any, Any], bool] = False,
        composes: bool = False,
        renames: bool = False,
        uphill: bool | None = None,
        stands: str | None = None,
        evaluates: bool = False,
        any_extras: Callable[[Mapping[str, Any]], bool] | None = None,
        check: Check | None = None,
    ) -> None:
        self.spec_name, self.body, self.make = spec_name(body), body, make
        self.averages, self.composes, self.renames, self.uphill = averages, composes, renames, uphill
        self.stands, self.evaluates, self.any_extras, self.check = stands, evaluates, any_extras, check
        self.name = body.__name__.lstrip("_")
        if not is_own(body):  # gradtx's own are read at their first use: all of them would double the time of the import
            taken = RESERVED & set(self.kinds)
            if taken:
                raise TypeError(f"{self.name}: an argument cannot be called {sorted(taken)[0]!r}; the value has that attribute already.")
            if check:
                check_arguments(check, self.kinds, self.name)
        FORMS[self.spec_name] = self

    def __repr__(self) -> str:
        return f"Form({self.spec_name})"

    @functools.cached_property
    def signature(self) -> inspect.Signature:
        return inspect.signature(self.body)

    @functools.cached_property
    def variadic(self) -> str | None:
        """The name of `*parts`, if there is one."""
        return next((p.name for p in self.signature.parameters.values() if p.kind is p.VAR_POSITIONAL), None)

    @functools.cached_property
    def kinds(self) -> dict[str, Kind]:
        """What each argument may be, read off the annotations."""
        return kinds_of(self.body, self.signature, self.name)

    @functools.cached_property
    def keywords(self) -> frozenset[str]:
        """The extras and signals that its `update` may ask for."""
        return asked_keywords(self.body)

    def takes_any_extra(self, arguments: Mapping[str, Any]) -> bool:
        """Whether its `update` takes extras under any name."""
        return asks_for_anything(self.body) if self.any_extras is None else self.any_extras(arguments)

    @property
    def usage(self) -> str:
        """The call as a user writes it: names and defaults."""
        parameters = self.signature.parameters.values()
        bare = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in parameters]
        return f"{self.name}{inspect.Signature(bare)}"

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return _form_of, (self.make,)

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The checked arguments of one call, defaults filled in."""
        for name in kwargs:
            if name not in self.kinds or name == self.variadic:
                raise TypeError(f"{self.name} has no argument {name!r}{nearest(name, self.kinds)}. Write {self.usage}.")
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{self.name}: {error}. Write {self.usage}.") from None
        bound.apply_defaults()
        accepted = {name: self._accept(name, value) for name, value in bound.arguments.items()}
        if self.check:
            run_check(self.check, accepted, self.name)
        return accepted

    def _accept(self, name: str, value: Any) -> Any:
        kind = self.kinds[name]
        if self.composes and isinstance(kind, TupleKind):
            return tuple(kind.kinds[0].accept(part, f"{self.name}: part {k}") for k, part in enumerate(value, start=1))
        return kind.accept(value, f"{self.name}: {name}")

    def open(self, arguments: Mapping[str, Any], context: Any) -> Any:
        """Run the body with its arguments as they are at this step."""
        resolved = {name: self.kinds[name].resolve(value, f"{context.where}: {name}", context) for name, value in arguments.items()}
        bound = inspect.BoundArguments(self.signature, typing.cast(Any, resolved))
        return self.body(*bound.args, **bound.kwargs)

    def made(self, arguments: Mapping[str, Any]) -> Any:
        """The value of the call with these arguments, each by its name; those left out have their defaults."""
        given = dict(arguments)
        positional = [given.pop(p.name, p.default) for p in self.leading]
        missing = next((p.name for p, value in zip(self.leading, positional, strict=True) if value is p.empty), None)
        if missing:
            raise TypeError(f"{self.name}: missing a required argument: {missing!r}. Write {self.usage}.")
        rest = given.pop(self.variadic, ()) if self.variadic else ()
        if not isinstance(rest, tuple | list):
            raise TypeError(f"{self.name}: {self.variadic} must be a tuple, got {shown(rest)}.")
        return self.make(*positional, *rest, **given)

    @property
    def leading(self) -> list[inspect.Parameter]:
        """The arguments that have to be written by their place: before `*parts`, or before `/`."""
        parameters = list(self.signature.parameters.values())
        names = list(self.signature.parameters)
        before = names.index(self.variadic) if self.variadic else 0
        return parameters[: max(before, sum(p.kind is p.POSITIONAL_ONLY for p in parameters))]


def _form_of(make: Callable[..., Any]) -> Form:
    return make.form  # pyright: ignore[reportFunctionMemberAccess]


class Call:
    """A factory with its arguments. Abstract: a call is a `GradientTransformation` or a `Schedule`."""

    form: Form
    arguments: Mapping[str, Any]

    def __init__(self, form: Form, arguments: Mapping[str, Any]) -> None:
        object.__setattr__(self, "form", form)
        object.__setattr__(self, "arguments", types.MappingProxyType(dict(arguments)))

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{self.form.name}(...) is a value and cannot be changed; write tx = tx.replace({name}={value!r}).")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{self.form.name}(...) is a value and cannot be changed: {name!r} stays.")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ("form", "arguments"):
            raise AttributeError(name)
        try:
            return handed_out(self.arguments[name])
        except KeyError:
            known = self.form.kinds
            raise AttributeError(
                f"{self.form.name} has no argument {name!r}{nearest(name, known)}. It has: {', '.join(known) or 'none'}."
            ) from None

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.arguments]

    def __repr__(self) -> str:
        """The call that makes this value, digit for digit."""
        return self.written(source)

    def __str__(self) -> str:
        """The call for reading: numbers in six digits."""
        return self.written(readable)

    def written(self, write: Callable[[Any], str]) -> str:
        form, texts = self.form, list[str]()
        by_place = {parameter.name for parameter in form.leading}
        for name, value in self.arguments.items():
            if name == form.variadic:
                texts.extend(write(part) for part in value)
            else:
                texts.extend([write(value)] if name in by_place else self._argument(name, value, write))
        return f"{form.name}({', '.join(texts)})"

    def _argument(self, name: str, value: Any, write: Callable[[Any], str]) -> list[str]:
        """One argument as it is written in the call: inner calls without their name, structure only where it is not the default."""
        default = self.form.signature.parameters[name].default
        if isinstance(value, Call) and default is inspect.Parameter.empty and name == next(iter(self.arguments)):
            return [write(value)]
        if isinstance(value, str | bool | Call | None) and value == default:
            return []
        return [f"{name}={write(value)}"]

    def replace(self, **changes: Any) -> Self:
        """The same factory called with some arguments changed, checked as in a fresh call."""
        return self.form.made({**self.arguments, **changes})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Call) and type(self) is type(other) and _identity(self) == _identity(other)

    def __hash__(self) -> int:
        return hash(_identity(self))

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return type(self), (self.form, dict(self.arguments))

    def branches(self) -> Iterator[tuple[str, Any]]:
        """The arguments with leaves, by name."""
        return ((name, value) for name, value in self.arguments.items() if self.form.kinds[name].dynamic)

    def children(self) -> Iterator[tuple[str, Any]]:
        """What stands in the arguments with leaves: those of a tuple one by one, None not at all."""
        return ((name, child) for name, value in self.branches() for child in one_by_one(value))


def one_by_one(value: Any) -> Iterator[Any]:
    """The items of a tuple and of the tuples in it, without None; any other value alone."""
    if isinstance(value, tuple):
        for item in typing.cast(tuple[Any, ...], value):
            yield from one_by_one(item)
    elif value is not None:
        yield value


def _identity(call: Call) -> Hashable:
    leaves, structure = jax.tree.flatten(call)
    return structure, tuple(leaf_identity(leaf) for leaf in leaves)


def register(cls: type[Call]) -> None:
    """Make a concrete `Call` a pytree whose children are its dynamic arguments, in the order of its signature."""

    def structure(call: Call) -> Hashable:
        static = tuple((name, None if call.form.kinds[name].dynamic else value) for name, value in call.arguments.items())
        return call.form, static

    def flatten_with_keys(call: Call) -> tuple[list[tuple[Any, Any]], Hashable]:
        return [(jax.tree_util.GetAttrKey(name), value) for name, value in call.branches()], structure(call)

    def flatten(call: Call) -> tuple[list[Any], Hashable]:
        return [value for _, value in call.branches()], structure(call)

    def unflatten(aux: Any, children: Any) -> Call:
        form, static = aux
        rest = iter(children)
        return cls(form, {name: next(rest) if form.kinds[name].dynamic else value for name, value in static})

    jax.tree_util.register_pytree_with_keys(cls, flatten_with_keys, unflatten, flatten)
