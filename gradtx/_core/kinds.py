"""What an argument of a factory may be: checked when it is given, resolved when the factory runs."""

import abc
import dataclasses
import math
from collections.abc import Hashable
from typing import Any, final

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


class Alone:
    """What arguments are resolved with outside of an optimizer: a name for errors, and the step for a schedule."""

    layer = None

    def __init__(self, where: str, step: Any = None) -> None:
        self.where, self.step = where, step


def is_schedule(value: Any) -> bool:
    return hasattr(value, "at_step") and not isinstance(value, type)


def evaluated(tree: Any, step: Any) -> Any:
    """`tree` with every schedule in it replaced by its value at `step`."""
    return jax.tree.map(lambda leaf: leaf.at_step(step) if is_schedule(leaf) else leaf, tree, is_leaf=is_schedule)


def is_traced(value: Any) -> bool:
    return isinstance(value, jax.core.Tracer)


def is_key(value: Any) -> bool:
    return hasattr(value, "dtype") and jnp.issubdtype(value.dtype, jax.dtypes.prng_key)


def is_whole(value: Any) -> bool:
    """Whether it is an integer of Python or NumPy, which True is not."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def is_real(value: Any) -> bool:
    """Whether it is a real number or an array of such, bools included."""
    dtype = value.dtype if hasattr(value, "dtype") else jnp.result_type(value)
    return any(jnp.issubdtype(dtype, kind) for kind in (jnp.floating, jnp.integer, jnp.bool_))


def leaf_identity(leaf: Any) -> Hashable:
    """Numbers and concrete arrays compare by dtype, shape and bits; anything else (a tracer) by identity."""
    if isinstance(leaf, jax.core.Tracer) or not isinstance(leaf, bool | int | float | np.generic | np.ndarray | jax.Array):
        return id(leaf)
    if isinstance(leaf, jax.Array) and is_key(leaf):
        leaf = jax.random.key_data(leaf)
    concrete = np.asarray(leaf)
    return concrete.dtype.name, concrete.shape, concrete.tobytes()


def handed_out(value: Any) -> Any:
    """`value` in containers of its own: who changes a dict or a list that was read changes no value."""
    return jax.tree.map(lambda leaf: leaf, value, is_leaf=lambda part: hasattr(part, "argument_kind"))


def shown(value: Any) -> str:
    """How an error shows what was given: short, with shape and dtype for arrays."""
    if hasattr(value, "shape") and hasattr(value, "dtype") and value.shape != ():
        return f"an array of shape {tuple(value.shape)} and dtype {value.dtype}"
    text = " ".join(repr(value).split())
    return f"{text if len(text) < 80 else text[:77] + '...'} ({type(value).__name__})"


def _as_number(value: Any, where: str) -> Any:
    """A float for Python and NumPy numbers, an array of floats for arrays, an error for everything else."""
    if isinstance(value, bool | np.bool_ | str | bytes) or (callable(value) and not hasattr(value, "dtype")):
        raise TypeError(f"{where} must be a number, an array or a schedule, got {shown(value)}.{instead_of_number(value)}")
    if isinstance(value, complex | np.complexfloating) or jnp.issubdtype(getattr(value, "dtype", np.float32), jnp.complexfloating):
        raise TypeError(f"{where} must be real, got {shown(value)}: its imaginary part would be lost. Write its real part.")
    if not jnp.issubdtype(getattr(value, "dtype", np.float32), jnp.number):
        raise TypeError(f"{where} must be a real number, got {shown(value)}. Write array.astype(jnp.float32).")
    if isinstance(value, int | float | np.generic):
        return _as_float(value)
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return _as_floats(value)
    raise TypeError(f"{where} must be a number, an array or a schedule, got {shown(value)}.{instead_of_number(value)}")


def _as_float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _as_floats(array: Any) -> Any:
    """The array in floats; one of NumPy's as a copy that cannot change, for the value that holds it cannot."""
    if jnp.issubdtype(array.dtype, jnp.integer) and hasattr(array, "astype"):
        array = array.astype(jax.dtypes.canonicalize_dtype(float))
    if isinstance(array, np.ndarray):
        array = np.array(array)
        array.setflags(write=False)
    return array


def without_vmap(value: Any, where: str) -> ValueError:
    """The error for an array where an update needs one value."""
    return ValueError(
        f"{where} is {shown(value)}, and inside an update it must be a scalar. A transformation whose numbers are arrays "
        "is a batch of optimizers: run it under jax.vmap, which hands each member its own scalar."
    )


@final
@dataclasses.dataclass(frozen=True)
class NumberKind(Kind):
    """A number, an array of them (a batch of optimizers), or a schedule."""

    interval: Interval = Interval()
    hint: str = ""
    dynamic = True

    def accept(self, value: Any, where: str) -> Any:
        if is_schedule(value):
            return value
        number = _as_number(value, where)
        concrete = isinstance(number, float | np.ndarray | jax.Array) and not is_traced(number)
        if concrete and not self.interval.contains(np.asarray(number).astype(np.float64)):
            raise ValueError(f"{where} must be {self.interval}, got {shown(value)}.{' ' + self.hint if self.hint else ''}")
        computed = jnp.result_type(float)
        if concrete and self.interval.high_open and np.any(np.asarray(number).astype(computed) >= self.interval.high):
            raise ValueError(
                f"{where} must be {self.interval}, got {shown(value)}, which is {self.interval.high:g} in {computed}. "
                "Give a smaller number, or compute in float64 (jax_enable_x64)."
            )
        return number

    def resolve(self, value: Any, where: str, context: Any) -> Any:
        if is_schedule(value):
            return value if context.step is None else value.at_step(context.step)
        if np.shape(value) != ():
            raise without_vmap(value, where)
        return value


@final
class TreeKind(Kind):
    """A pytree of numbers, arrays or schedules, such as one factor for each parameter."""

    dynamic = True

    def accept(self, value: Any, where: str) -> Any:
        def accepted(path: Any, leaf: Any) -> Any:
            name = f"{where}{jax.tree_util.keystr(path)}"
            return NumberKind().accept(leaf, name) if np.shape(leaf) == () else _as_number(leaf, name)

        if value is None:
            raise TypeError(f"{where} must be a tree of numbers, arrays or schedules, got None.")
        return jax.tree_util.tree_map_with_path(accepted, value, is_leaf=is_schedule)

    def resolve(self, value: Any, where: str, context: Any) -> Any:
        return value if context.step is None else evaluated(value, context.step)


@final
class KeyKind(Kind):
    """A random key: what `jax.random.key(seed)` returns, or the seed itself."""

    dynamic = True

    def accept(self, value: Any, where: str) -> Any:
        value = int(value) if isinstance(value, np.integer) else value
        seed = isinstance(value, int) and not isinstance(value, bool)
        largest = np.iinfo(jax.dtypes.canonicalize_dtype(int)).max
        if seed and not -largest <= value <= largest:
            raise ValueError(f"{where} must be a seed of at most {largest}, got {value}. Write {value} % 2**31, or a random key.")
        if not seed and not is_key(value) and not jnp.issubdtype(getattr(value, "dtype", np.float32), jnp.integer):
            raise TypeError(f"{where} must be a random key or an integer seed, got {shown(value)}. Write jax.random.key(0).")
        return value

    def resolve(self, value: Any, where: str, context: Any) -> Any:
        raw = not is_key(value) and np.ndim(value) == 1 and value.dtype == np.uint32
        if raw and np.shape(value) == jax.eval_shape(lambda: jax.random.key_data(jax.random.key(0))).shape:
            value = jax.random.wrap_key_data(value)
        if np.shape(value) != ():
            raise without_vmap(value, where)
        key = value if is_key(value) else jax.random.key(value)
        return key if context.layer is None else jax.random.fold_in(key, context.layer)


def random_key(value: Any, where: str) -> jax.Array:
    """The random key that an argument outside of an optimizer stands for."""
    kind = KeyKind()
    return kind.resolve(kind.accept(value, where), where, Alone(where))


@final
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
        return value if is_key(value) else TreeKind().accept(value, where)

    def resolve(self, value: Any, where: str, context: Any) -> Any:
        if is_schedule(value):
            return NumberKind().resolve(value, where, context)
        kind = value.argument_kind if hasattr(value, "argument_kind") else TreeKind()
        return kind.resolve(value, where, context)
