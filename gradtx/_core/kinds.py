"""What an argument of a factory may be: read off its annotation, checked when it is given, resolved when the factory runs."""

import abc
import dataclasses
import math
import types
import typing
from collections.abc import Callable, Hashable
from typing import Any, Literal, final

import jax
import jax.core
import jax.numpy as jnp
import numpy as np

from gradtx._core.hints import instead_of_number


@dataclasses.dataclass(frozen=True)
class Interval:
    """The values a number may take, `low` and `high` included unless open."""

    low: float = -math.inf
    high: float = math.inf
    low_open: bool = False
    high_open: bool = False

    def __str__(self) -> str:
        if (self.low, self.high) == (-math.inf, math.inf):
            return "finite"
        if self.high == math.inf:
            return f"finite and {'above' if self.low_open else 'at least'} {self.low:g}"
        return f"in {'(' if self.low_open else '['}{self.low:g}, {self.high:g}{')' if self.high_open else ']'}"

    def contains(self, value: np.ndarray) -> bool:
        above = value > self.low if self.low_open else value >= self.low
        below = value < self.high if self.high_open else value <= self.high
        return bool(np.all(np.isfinite(value) & above & below))


class Kind(abc.ABC):
    """One kind of argument. `dynamic` arguments are children of the pytree, the others part of its structure."""

    dynamic: bool

    @abc.abstractmethod
    def accept(self, value: Any, where: str) -> Any:
        """Return `value` in its canonical form, or raise an error that begins with `where`."""

    @abc.abstractmethod
    def resolve(self, value: Any, where: str, context: Any) -> Any:
        """Return what the factory's body is to see at this step."""


def is_schedule(value: Any) -> bool:
    return hasattr(value, "at_step") and not isinstance(value, type)


def evaluated(tree: Any, step: Any) -> Any:
    """`tree` with every schedule in it replaced by its value at `step`."""
    return jax.tree.map(lambda leaf: leaf.at_step(step) if is_schedule(leaf) else leaf, tree, is_leaf=is_schedule)


def is_traced(value: Any) -> bool:
    return isinstance(value, jax.core.Tracer)


def shown(value: Any) -> str:
    """How an error shows what was given: short, with shape and dtype for arrays."""
    if hasattr(value, "shape") and hasattr(value, "dtype") and value.shape != ():
        return f"an array of shape {tuple(value.shape)} and dtype {value.dtype}"
    text = repr(value)
    return f"{text if len(text) < 80 else text[:77] + '...'} ({type(value).__name__})"


def _as_number(value: Any, where: str) -> Any:
    """A float for Python and NumPy numbers, arrays as they are, an error for everything else."""
    if isinstance(value, bool | np.bool_ | str | bytes) or (callable(value) and not hasattr(value, "dtype")):
        raise TypeError(f"{where} must be a number, an array or a schedule, got {shown(value)}.{instead_of_number(value)}")
    if isinstance(value, int | float | np.generic):
        return float(value)
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return value
    raise TypeError(f"{where} must be a number, an array or a schedule, got {shown(value)}.{instead_of_number(value)}")


@final
@dataclasses.dataclass(frozen=True)
class NumberKind(Kind):
    """A number, an array of them (a batch of optimizers), or a schedule."""

    interval: Interval = Interval()
    hint: str = ""
    optional: bool = False
    dynamic = True

    def accept(self, value: Any, where: str) -> Any:
        if is_schedule(value) or (value is None and self.optional):
            return value
        number = _as_number(value, where)
        dtype = getattr(number, "dtype", np.float32)
        if not (jnp.issubdtype(dtype, np.floating) or jnp.issubdtype(dtype, np.integer)):
            raise TypeError(f"{where} must be a real number, got {shown(value)}. Write array.astype(jnp.float32), of its real part.")
        if not is_traced(number) and isinstance(number, float | np.ndarray | jax.Array):
            concrete = np.asarray(number)
            if not self.interval.contains(concrete.astype(np.float64)):
                raise ValueError(f"{where} must be {self.interval}, got {shown(value)}.{' ' + self.hint if self.hint else ''}")
        return number

    def resolve(self, value: Any, where: str, context: Any) -> Any:
        if is_schedule(value):
            return value if context.step is None else value.at_step(context.step)
        if value is not None and np.shape(value) != ():
            raise ValueError(
                f"{where} is {shown(value)}, and inside an update it must be a scalar. A transformation whose numbers are arrays "
                "is a batch of optimizers: run it under jax.vmap, which hands each member its own scalar."
            )
        return value


@final
@dataclasses.dataclass(frozen=True)
class NumbersKind(Kind):
    """Several numbers, in a tuple."""

    dynamic = True

    def accept(self, value: Any, where: str) -> Any:
        if not isinstance(value, tuple | list):
            raise TypeError(f"{where} must be a tuple of numbers, got {shown(value)}.")
        return tuple(NumberKind().accept(number, f"{where}[{k}]") for k, number in enumerate(value))

    def resolve(self, value: Any, where: str, context: Any) -> Any:
        return tuple(NumberKind().resolve(number, f"{where}[{k}]", context) for k, number in enumerate(value))


@final
@dataclasses.dataclass(frozen=True)
class TreeKind(Kind):
    """A pytree of numbers, arrays or schedules, such as one factor for each parameter."""

    dynamic = True

    def accept(self, value: Any, where: str) -> Any:
        def accepted(path: Any, leaf: Any) -> Any:
            return leaf if is_schedule(leaf) else _as_number(leaf, f"{where}{jax.tree_util.keystr(path)}")

        return jax.tree_util.tree_map_with_path(accepted, value, is_leaf=is_schedule)

    def resolve(self, value: Any, where: str, context: Any) -> Any:
        return value if context.step is None else evaluated(value, context.step)


@final
@dataclasses.dataclass(frozen=True)
class KeyKind(Kind):
    """A random key: what `jax.random.key(seed)` returns, or the seed itself."""

    dynamic = True

    def accept(self, value: Any, where: str) -> Any:
        dtype = getattr(value, "dtype", np.int32 if isinstance(value, int) and not isinstance(value, bool) else bool)
        if not (jnp.issubdtype(dtype, np.integer) or jnp.issubdtype(dtype, jax.dtypes.prng_key)):
            raise TypeError(f"{where} must be a random key or an integer seed, got {shown(value)}. Write jax.random.key(0).")
        return int(value) if isinstance(value, np.integer) else value

    def resolve(self, value: Any, where: str, context: Any) -> Any:
        if np.shape(value) == (2,) and value.dtype == np.uint32:
            return jax.random.wrap_key_data(value)
        if np.shape(value) != ():
            raise ValueError(
                f"{where} is {shown(value)}, a batch of keys: run the optimizer under jax.vmap, which hands each member its own."
            )
        return value if jnp.issubdtype(getattr(value, "dtype", np.int32), jax.dtypes.prng_key) else jax.random.key(value)


_IN_WORDS: dict[Any, str] = {int: "a Python integer", str: "a string", bool: "True or False", Callable: "a function"}


@final
@dataclasses.dataclass(frozen=True)
class StaticKind(Kind):
    """A string, bool, shape-like int, function or tuple of them: part of the structure, compared by value."""

    choices: tuple[Any, ...] = ()
    of: Any = None
    optional: bool = False
    dynamic = False

    def accept(self, value: Any, where: str) -> Any:
        if is_traced(value):
            raise TypeError(f"{where} is part of the optimizer's structure and cannot be traced, got {shown(value)}. Pass a Python value.")
        if not isinstance(value, Hashable):
            raise TypeError(f"{where} is part of the optimizer's structure and must be hashable, got {shown(value)}.")
        if self.choices and value not in self.choices:
            raise ValueError(f"{where} must be one of {', '.join(map(repr, self.choices))}, got {value!r}.")
        value = value.item() if isinstance(value, np.generic) else value
        wrong = self.of is not None and (not isinstance(value, self.of) or (self.of is int and isinstance(value, bool)))
        if wrong and not (value is None and self.optional):
            raise TypeError(f"{where} must be {_IN_WORDS[self.of]}, got {shown(value)}. Give {_IN_WORDS[self.of]}.")
        return value

    def resolve(self, value: Any, where: str, context: Any) -> Any:
        return value


@final
@dataclasses.dataclass(frozen=True)
class AnyKind(Kind):
    """An argument without an annotation: a number, a schedule, a tree of numbers or a transformation."""

    dynamic = True

    def accept(self, value: Any, where: str) -> Any:
        if hasattr(value, "argument_kind"):
            return value.argument_kind.accept(value, where)
        if isinstance(value, str | bool) or (callable(value) and not hasattr(value, "dtype")):
            raise TypeError(
                f"{where} is {shown(value)}, and an argument without annotation is taken for a number or a transformation. "
                "Annotate it in the factory (str, bool, Callable, ...) and it becomes part of the structure."
            )
        return TreeKind().accept(value, where)

    def resolve(self, value: Any, where: str, context: Any) -> Any:
        if is_schedule(value):
            return NumberKind().resolve(value, where, context)
        return value.argument_kind.resolve(value, where, context) if hasattr(value, "argument_kind") else value


def kind_of(annotation: Any, annotated: bool) -> Kind:
    """The kind that an annotation asks for."""
    if not annotated:
        return AnyKind()
    if typing.get_origin(annotation) is typing.Annotated:
        for note in annotation.__metadata__:
            if isinstance(note, Kind):
                return note
        return kind_of(typing.get_args(annotation)[0], True)
    if typing.get_origin(annotation) is Literal:
        return StaticKind(typing.get_args(annotation))
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        members = [kind_of(member, True) for member in typing.get_args(annotation) if member is not type(None)]
        kind = next((kind for kind in members if kind.dynamic), members[0] if len(members) == 1 else StaticKind())
        return dataclasses.replace(kind, optional=True) if isinstance(kind, NumberKind | StaticKind) else kind
    if isinstance(annotation, type):
        if hasattr(annotation, "argument_kind"):
            return annotation.argument_kind
        if issubclass(annotation, float | jax.Array | np.ndarray):
            return NumberKind()
    of = typing.get_origin(annotation) or annotation
    return StaticKind(of=of if of in _IN_WORDS else None)
