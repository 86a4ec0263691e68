"""A codec: how an array of a moment is kept between two steps, as a value."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Annotated, Any, Final, ParamSpec, TypeAlias, final, overload

import jax

from gradtx._core.call import Call, register
from gradtx._core.factory import factory
from gradtx._core.joint import Check
from gradtx._core.kinds import Alone, Kind, shown

P = ParamSpec("P")


@dataclasses.dataclass(frozen=True)
class Coding:
    """What a codec does with one array of a moment.

    `fits(shape)` says whether it keeps arrays of this logical shape; others stay as they are. `encode(x, key)` gives the
    arrays that are kept, by name, `decode(parts, like)` an array of the shape and dtype of `like` from them. `key` is
    there where the code is random. `read_back` says that the method's statistic is what `decode` gives, and not what
    went into `encode`.
    """

    fits: Callable[[tuple[int, ...]], bool]
    encode: Callable[[jax.Array, Any], dict[str, jax.Array]]
    decode: Callable[[dict[str, jax.Array], jax.ShapeDtypeStruct], jax.Array]
    key: Any = None
    read_back: bool = False


@final
class CodecKind(Kind):
    """A codec; `opened` where the factory codes with it, of squares where `nonnegative`, and not where it hands it on."""

    dynamic = True

    def __init__(self, opened: bool = False, nonnegative: bool = False) -> None:
        self.opened, self.nonnegative = opened, nonnegative

    def accept(self, value: Any, where: str) -> Any:
        if isinstance(value, Codec):
            return value
        if hasattr(value, "form") and not isinstance(value, Call):
            raise TypeError(f"{where} is the factory {value.form.name}, not a codec. Call it: {value.form.usage}.")
        raise TypeError(f"{where} must be a codec such as int8(), got {shown(value)}.")

    def resolve(self, value: Any, where: str, context: Any) -> Any:
        if not self.opened:
            return value
        nonnegative = self.nonnegative or context.signals.nonnegative
        if not jax.tree.leaves(value):
            return _compiled(value, nonnegative)
        return value.form.open(value.arguments, context)(nonnegative)


@final
class Codec(Call):
    """How the arrays of a moment are kept between two steps. Made by a factory such as `int8()`.

    It is a value like an optimizer: a pytree, equal by value, printed as its call, written down by `to_spec`. Give it
    to `stored(moment, codec)`, or to an optimizer as `storage=`.
    """

    argument_kind: Final = CodecKind()


register(Codec)


@functools.lru_cache(maxsize=256)
def _compiled(value: Codec, nonnegative: bool) -> Coding:
    """The coding of a codec without numbers, one program for each shape where a state is made or a step is run line by line."""
    coding = value.form.open(value.arguments, Alone(value.form.name))(nonnegative)
    return dataclasses.replace(coding, encode=jax.jit(coding.encode), decode=jax.jit(coding.decode, static_argnums=1))


OpenedCodec: TypeAlias = Annotated[Codec, CodecKind(opened=True)]
"""A codec that a factory's body sees as the `Coding` it makes."""

CodecOfSquares: TypeAlias = Annotated[Codec, CodecKind(opened=True, nonnegative=True)]
"""The same, for a part that keeps a statistic of squares itself."""


@overload
def codec(body: Callable[P, Callable[[bool], Coding]]) -> Callable[P, Codec]: ...
@overload
def codec(*, check: Check) -> Callable[[Callable[P, Callable[[bool], Coding]]], Callable[P, Codec]]: ...
def codec(body: Callable[..., Any] | None = None, *, check: Check | None = None) -> Any:
    """Make a factory of codecs from a function that returns `coding(nonnegative)`.

    `nonnegative` says that the statistic is one of squares or magnitudes: its code needs no sign, and must not round
    what is above zero to zero, or an update is divided by nothing.
    """
    if body is None:
        return functools.partial(factory, Codec, check=check)
    return factory(Codec, body)


def check_sizes(block: float, smallest: float) -> None:
    """Refuse a block without elements and a size below zero."""
    if block < 1:
        raise ValueError(f"block must be at least 1 element, got {block}.")
    if smallest < 0:
        raise ValueError(f"smallest must be a number of elements, got {smallest}. Write 0 to code every leaf.")
