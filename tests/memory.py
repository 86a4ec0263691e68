"""Bytes of state for each weight, of every optimizer and codec: `python -m tests.memory` writes the table of docs/storage.md."""

import functools
import pathlib

import jax

import gradtx as gx
from tests.cases import CASES

PAGE = pathlib.Path(__file__).parents[1] / "docs/storage.md"
BEGIN, END = "<!-- bytes: begin -->", "<!-- bytes: end -->"
PARAMS = {"kernel": jax.ShapeDtypeStruct((1024, 4096), "float32"), "bias": jax.ShapeDtypeStruct((4096,), "float32")}
CODECS = {"as it is": None, "`bfloat16()`": gx.bfloat16(), "`int8()`": gx.int8(), "`int4()`": gx.int4()}


def bytes_each(tx: gx.GradientTransformation) -> float:
    """Bytes of state for each weight of a kernel and its bias."""
    weights = sum(leaf.size for leaf in jax.tree.leaves(PARAMS))
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tx.init(PARAMS))) / weights


@functools.cache
def rows() -> dict[str, tuple[float, ...]]:
    """By optimizer, with the arguments of its case: its own storage, then each codec that it takes."""
    found = dict[str, tuple[float, ...]]()
    for case in CASES:
        tx, home = case.transformation, case.transformation.form.body.__module__
        if home.startswith("gradtx._optimizers") and tx.form.name not in found:
            tx = tx.replace(block=None) if "block" in tx.form.kinds else tx  # the case's blocks are made for small leaves
            coded = [codec for codec in CODECS.values() if codec is not None] if "storage" in tx.form.kinds else []
            found[tx.form.name] = (bytes_each(tx), *(bytes_each(tx.replace(storage=codec)) for codec in coded))
    return found


def table() -> str:
    """The table, those with the least state first."""
    lines = [f"| optimizer | {' | '.join(CODECS)} |", "|---|" + "---:|" * len(CODECS)]
    for name, sizes in sorted(rows().items(), key=lambda row: (round(row[1][0], 2), row[0])):
        cells = [f"{size:.2f}" for size in sizes] + ["–"] * (len(CODECS) - len(sizes))
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    text = PAGE.read_text()
    before, _, rest = text.partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n\n{table()}\n\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
