"""What a compiled program moves between devices, read off its text."""

import collections
import dataclasses
import math
import re
from typing import Any, final

from gradtx._core.kinds import shown

_MOVES = "all-gather|all-reduce|all-to-all|collective-permute|ragged-all-to-all|reduce-scatter|collective-broadcast"
_LINE = re.compile(rf"^\s*(?:ROOT )?%?[\w.-]+ = (.*?) ({_MOVES})(-start)?\(", re.MULTILINE)
_SHAPE = re.compile(r"\b([a-z]+\d+\w*|pred)\[([\d,]*)\]")


@final
@dataclasses.dataclass(frozen=True)
class Collective:
    """One kind of traffic in a program: `kind`, `"all-reduce"` for one, how many `operations`, `arrays` in them, and their `bytes`.

    `bytes` are those of the results on one device: what an all-gather leaves there, and not what crosses a wire.
    """

    kind: str
    operations: int
    arrays: int
    bytes: int


def collectives(compiled: Any) -> dict[str, Collective]:
    """The traffic between devices in a compiled program, kind by kind: `collectives(jax.jit(step).lower(...).compile())`.

    Keys are the names of XLA: `"all-reduce"`, `"all-gather"`, `"reduce-scatter"`, `"all-to-all"`, `"collective-permute"`. What
    does not occur has no entry, so that `collectives(compiled) == {}` says that every device works alone. An operation
    within a loop counts once. It reads the text of the program that runs, after all of the compiler's passes.
    """
    if not hasattr(compiled, "as_text") or not hasattr(compiled, "memory_analysis"):
        raise TypeError(
            f"collectives: compiled must be a compiled program, got {shown(compiled)}. Write jax.jit(f).lower(*args).compile()."
        )
    counts, arrays, sizes = collections.Counter[str](), collections.Counter[str](), collections.Counter[str]()
    for types, kind, start in _LINE.findall(compiled.as_text() or ""):
        results = _results(_SHAPE.findall(types), kind, bool(start))
        counts[kind] += 1
        arrays[kind] += len(results)
        sizes[kind] += sum(_bytes(dtype, dims) for dtype, dims in results)
    return {kind: Collective(kind, counts[kind], arrays[kind], sizes[kind]) for kind in sorted(counts)}


def _results(shapes: list[tuple[str, str]], kind: str, start: bool) -> list[tuple[str, str]]:
    """The results among what an operation is said to return: an asynchronous one lists what it was given before them."""
    if not start or kind == "all-reduce":
        return shapes
    return shapes[1:2] if kind == "collective-permute" else shapes[len(shapes) // 2 :]


def _bytes(dtype: str, dims: str) -> int:
    bits = 8 if dtype == "pred" else int(re.findall(r"\d+", dtype)[0])
    return math.ceil(math.prod(int(size) for size in dims.split(",") if size) * bits / 8)
