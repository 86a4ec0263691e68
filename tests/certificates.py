"""The table of certificates, measured: `python -m tests.certificates` writes it into `docs/certificates.md`."""

import functools
import inspect
import itertools
import pathlib
import re
from collections.abc import Callable

import jax

import gradtx as gx
from gradtx.testing._laws.values import every_name
from tests.certified import CERTIFICATES, Certificate
from tests.paths import in_gradtx
from tests.peers import in_keras, in_optax, in_torch
from tests.references.problem import Path, distance

PAGE = pathlib.Path(__file__).parents[1] / "docs/certificates.md"
BEGIN, END = "<!-- measured by python -m tests.certificates -->", "<!-- end of what is measured -->"
HEADER = ("optimizer", "paper", "ε", "corrects", "from the paper", "from PyTorch", "from Optax", "from Keras", "because")
ROUNDING = {"paper": 1e-9, "PyTorch": 1e-12, "Optax": 1e-12, "Keras": 1e-12}
PEERS: dict[str, Callable[[Certificate], Path | None]] = {
    "PyTorch": lambda row: in_torch(row.torch[0], **row.torch[1]) if row.torch else None,
    "Optax": lambda row: in_optax(row.optax) if row.optax else None,
    "Keras": lambda row: in_keras(row.keras[0], **row.keras[1]) if row.keras else None,
}
EPSILONS = {
    ("scale_by_rms", "eps"): "√{v} + ε",
    ("scale_by_rms", "eps_root"): "√({v} + ε)",
    ("scale_by_momo_adam", "eps"): "√{v} + ε",
    ("scale_by_stddev", "eps_root"): "√(v − m² + ε)",
    ("scale_by_rectified_rms", "eps"): "√v + ε",
    ("scale_by_abs", "eps"): "∣g∣ + ε",
}
"""Where the argument of a part goes."""
AVERAGES = {"scale_by_momentum": "m", "scale_by_momo_adam": "m, v"}
"""What a part averages, where it is not the square alone."""


@functools.cache
def path_of(library: str, k: int) -> Path | None:
    """The path of row k there, None where there is no such optimizer."""
    return PEERS[library](CERTIFICATES[k])


def distance_of(tx: gx.GradientTransformation, name: str, k: int) -> float | None:
    """How far an optimizer is from the paper of row k, or from a library."""
    if name == "paper":
        return CERTIFICATES[k].paper.distance_of(tx)
    path = path_of(name, k)
    return None if path is None else distance(in_gradtx(tx), path)


@functools.cache
def distances(k: int) -> dict[str, float | None]:
    row = CERTIFICATES[k]
    measured = {library: distance_of(row.optimizer, library, k) for library in PEERS}
    return {"paper": distance_of(row.paper.optimizer, "paper", k), **measured}


def deviations(k: int) -> dict[str, float]:
    """The distances that are larger than rounding."""
    return {name: size for name, size in distances(k).items() if size is not None and size >= ROUNDING[name]}


def shown(name: str, size: float | None) -> str:
    if size is None:
        return "–"
    if size < ROUNDING[name]:
        return "< " + one_digit(ROUNDING[name])
    return one_digit(size)


def one_digit(size: float) -> str:
    return f"{size:.1g}" if size >= 0.01 else f"{size:.0e}".replace("e-0", "e-")


def parts(tx: gx.GradientTransformation) -> list[str]:
    """The parts an optimizer is made of, as `describe` prints them."""
    lines = gx.describe(tx, jax.ShapeDtypeStruct((2, 2), "float32")).split("\n\n")[0].splitlines()
    depths = [len(line) - len(line.lstrip()) for line in lines]
    leaves = [line.strip() for line, own, below in zip(lines, depths, [*depths[1:], 0], strict=True) if below <= own]
    return [line for line in leaves if "..." not in line]


def corrects(part: str) -> bool:
    return any(f"{name}(" in part for name in ("bias_correction", "dozat_average", "belief_average", "scale_by_rectified_rms"))


def epsilon(tx: gx.GradientTransformation) -> str:
    """Where the part that divides puts its epsilon."""
    for part in parts(tx):
        for (name, argument), formula in EPSILONS.items():
            if part.startswith(f"{name}(") and getattr(eval(part, every_name()), argument) is not None:
                at_every_step = ", v + ε" if "belief_average(" in part else ""
                return formula.format(v="v̂" if corrects(part) else "v") + at_every_step
    return "–"


def corrected(tx: gx.GradientTransformation) -> str:
    """Which averages are corrected for starting at zero."""
    found = (AVERAGES.get(part.partition("(")[0], "v") for part in parts(tx) if corrects(part))
    return ", ".join(dict.fromkeys(found)) or "–"


def citation(row: Certificate) -> str:
    first_line = (inspect.getdoc(row.paper.reference) or "").splitlines()[0].rstrip(".")
    return re.sub(r"arXiv (\d+\.\d+)", r"[arXiv \1](https://arxiv.org/abs/\1)", first_line)


def because(row: Certificate) -> str:
    words = itertools.groupby(row.reasons, key=lambda name: row.reasons[name].words)
    return "; ".join(f"{' and '.join(names)}: {reason}" for reason, names in words)


def line(k: int) -> str:
    row = CERTIFICATES[k]
    call = f"`{row.call}`"
    cells = (call, citation(row), epsilon(row.optimizer), corrected(row.optimizer), *itertools.starmap(shown, distances(k).items()))
    return f"| {' | '.join((*cells, because(row)))} |"


def table_head() -> list[str]:
    return [f"| {' | '.join(HEADER)} |", "|" + "---|" * len(HEADER)]


def table() -> str:
    return "\n".join([*table_head(), *map(line, range(len(CERTIFICATES)))])


def main() -> None:
    before, rest = PAGE.read_text().split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}")


if __name__ == "__main__":
    main()
