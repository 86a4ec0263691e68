"""A schedule: a number that depends on the step, as a value whose own numbers are its leaves."""

import functools
from collections.abc import Callable
from typing import Annotated, Any, Final, ParamSpec, final, overload

import jax
import jax.numpy as jnp

from gradtx._core.call import Call, register
from gradtx._core.factory import factory
from gradtx._core.joint import Check
from gradtx._core.kinds import Alone, Kind, NumberKind

P = ParamSpec("P")


@final
class ScheduleKind(Kind):
    """A schedule that the factory evaluates itself, at steps of its own choice. A number stands for the constant."""

    dynamic = True

    def accept(self, value: Any, where: str) -> Any:
        return NumberKind().accept(value, where)

    def resolve(self, value: Any, where: str, context: Any) -> Any:
        return value if isinstance(value, Schedule) else lambda step: NumberKind().resolve(value, where, context)


@final
class Schedule(Call):
    """A number that depends on the step. Made by a factory such as `linear_schedule(1e-3, 0.0, 1000)`.

    `schedule(step)` is its value; `2 * schedule`, `schedule / 2`, `-schedule`, and the product, sum or difference of two are
    schedules again. It may stand for any numeric argument of any factory, another schedule's included. Its numbers are leaves, so they
    may be swept or traced.
    """

    argument_kind: Final = ScheduleKind()

    def __call__(self, step: Any) -> jax.Array:
        """The value at `step` (an int, an array of steps, or traced), in the default float dtype."""
        time = jnp.asarray(step, dtype=float)
        value = self.form.open(self.arguments, Alone(self.form.name, step))(time)
        return jnp.broadcast_to(jnp.asarray(value, dtype=float), time.shape)

    def at_step(self, step: Any) -> jax.Array:
        return self(step)

    def __mul__(self, factor: Any) -> "Schedule":
        return scaled_schedule(self, factor)

    def __add__(self, other: Any) -> "Schedule":
        return summed_schedule(self, other)

    def __neg__(self) -> "Schedule":
        return scaled_schedule(self, -1.0)

    def __sub__(self, other: Any) -> "Schedule":
        return self + -other

    def __rsub__(self, other: Any) -> "Schedule":
        return -self + other

    def __truediv__(self, divisor: Any) -> "Schedule":
        return NotImplemented if isinstance(divisor, Schedule) else scaled_schedule(self, 1 / divisor)

    __rmul__ = __mul__
    __radd__ = __add__


register(Schedule)


@overload
def schedule(body: Callable[P, Callable[[jax.Array], Any]]) -> Callable[P, Schedule]: ...
@overload
def schedule(*, check: Check) -> Callable[[Callable[P, Callable[[jax.Array], Any]]], Callable[P, Schedule]]: ...
def schedule(body: Callable[..., Any] | None = None, *, check: Check | None = None) -> Any:
    """Make a factory of schedules from a function that takes the numbers and returns `value(time)`.

    `time` is the step as a float array. The numbers arrive as scalars, other schedules among them already evaluated.

    ```python
    import gradtx, jax.numpy as jnp

    @gradtx.schedule
    def halving_schedule(initial: gradtx.Number, period: gradtx.Positive):
        return lambda time: initial * 0.5 ** jnp.floor(time / period)

    optimizer = gradtx.sgd(halving_schedule(0.1, period=100))
    ```

    `check` is a function of some of the arguments, by their names, that raises ValueError where they do not fit each
    other. It runs when the factory is called; a number that is traced, or a schedule, is NaN there.
    """
    if body is None:
        return functools.partial(factory, Schedule, check=check)
    return factory(Schedule, body)


@schedule
def scaled_schedule(schedule: Annotated[Any, NumberKind()], factor: Annotated[Any, NumberKind()]) -> Callable[[jax.Array], Any]:
    """A schedule times a factor: what `factor * schedule` makes."""
    return lambda time: schedule * factor


@schedule
def summed_schedule(schedule: Annotated[Any, NumberKind()], other: Annotated[Any, NumberKind()]) -> Callable[[jax.Array], Any]:
    """A schedule plus another, or plus a number: what `schedule + other` makes."""
    return lambda time: schedule + other
