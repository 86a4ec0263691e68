"""The page of the survey: what is measured, as tables of `docs/laws.md`."""

import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import optax

from gradtx.testing import LAWS, check
from tests.finders import FINDERS
from tests.optax_cases import CASES, SCHEDULES
from tests.published_defects import DEFECTS, DEVIATIONS
from tests.surveyed import LEFT_OUT, STATED, TRACED, case_of_schedule

PAGE = pathlib.Path(__file__).parents[1] / "docs/laws.md"
BEGIN, END = "<!-- measured by python -m tests.survey -->", "<!-- end of what is measured -->"
Cells = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""What came of each law on each factory: by factory, then by law."""

SURVIVAL = "a_nonfinite_gradient_reaches_no_further_than_stated"
OF_THE_METHOD = {
    SURVIVAL,
    "arranging_leaves_changes_nothing",
    "no_leaf_is_gathered",
    "splitting_a_leaf_changes_nothing",
}
"""Laws that say what a method is: whether it measures whole leaves, or remembers a gradient for ever. Breaking one is no defect."""

STRICTER = {
    "complex_equals_real_and_imaginary_parts",
    "customary_extras_may_be_passed",
    "init_on_abstract_values",
    "needed_extras_arrive",
    "other_shapes_are_refused",
    "small_steps_add_up",
    "state_of_half_precision_is_wide",
    "unknown_extras_are_refused",
    "untrained_leaves_are_left_alone",
    "updates_have_the_types_of_gradients",
}
"""Laws that gradtx promises and Optax does not."""


def versions() -> str:
    return f"Optax {optax.__version__} with JAX {jax.__version__}"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def mark(law: str) -> str:
    return " †" if law in OF_THE_METHOD else " ‡" if law in STRICTER else ""


def outcome(cells: Mapping[str, Mapping[str, Any]], law: str) -> str:
    return cells[law]["outcome"] if law in cells else "not measured"


def by_law(found: Cells) -> str:
    """How many factories keep each law, break it, or have nothing to do with it."""
    rows = []
    for name in LAWS:
        if name == SURVIVAL:
            continue
        outcomes = [outcome(cells, name) for cells in found.values()]
        counts = [outcomes.count(outcome) for outcome in ("kept", "broken", "not applicable")]
        if counts[0] + counts[1]:
            rows.append([f"`{name}`{mark(name)}", *map(str, counts)])
    return table(["law", "keep it", "break it", "not applicable"], rows)


def for_values() -> str:
    names = [name for name, law in LAWS.items() if law.function.__module__.endswith("values")]
    return ", ".join(f"`{name}`" for name in [*names, "every_number_may_be_a_schedule"])


def broken(cells: Mapping[str, Mapping[str, Any]], stricter: bool) -> list[str]:
    names = [name for name in LAWS if outcome(cells, name) == "broken" and name not in OF_THE_METHOD]
    return [name for name in names if (name in STRICTER) == stricter]


def factory_row(name: str, cells: Mapping[str, Mapping[str, Any]]) -> list[str]:
    own, stricter = broken(cells, False), broken(cells, True)
    return [f"`{name}`", ", ".join(f"`{law}`" for law in own) or "none", str(len(stricter))]


def by_factory(found: Cells) -> str:
    return table(["factory", "laws broken", "and of ‡"], (factory_row(name, cells) for name, cells in found.items()))


def schedule_row(row: Any) -> list[str]:
    """The numbers of a schedule, and those that cannot be traced."""
    (verdict,) = check(case_of_schedule(row), laws=[TRACED])
    return [f"`{row.name}`", str(len(row.numbers)), ", ".join(f"`{name}`" for name in verdict.leaf.split(", ") if name) or "none"]


def schedules() -> str:
    return table(["schedule", "numbers", "cannot be traced"], map(schedule_row, SCHEDULES))


def finder_row(id: str, row: str, line: str) -> list[str]:
    case, law = FINDERS[id]
    on = f", on `{case.name}`" if case.name != row else ""
    return [id, f"`{row}`", line, f"`{law}`{on}"]


def defects() -> str:
    rows = [(defect.id, defect.row, defect.line) for defect in DEFECTS]
    rows += [(deviation.row, deviation.row, deviation.line) for deviation in DEVIATIONS]
    return table(["", "factory", "what is so", "found by"], (finder_row(*row) for row in rows))


def survival(found: Cells) -> str:
    """What is finite again after one NaN. Optax states nothing about it, so that the law's verdict is a measurement."""
    seen = [cells[SURVIVAL].get("seen", f"survives={STATED.get(name, 'leaf')!r}") for name, cells in found.items() if SURVIVAL in cells]
    everything, all_but_one, less = (seen.count(f"survives={kept!r}") for kept in ("all", "leaf", "none"))
    return (
        f"After one NaN in one leaf everything is finite again with {everything} factories, all but that leaf with {all_but_one}, "
        f"less with {less}."
    )


def left_out(found: Cells) -> str:
    told = [f"`{name}` is left out, for {reason}." for name, reason in LEFT_OUT.items()]
    partly = [name for name, cells in found.items() if set(LAWS) - set(cells)]
    if partly:
        told.append(
            f"{len(partly)} are measured by the laws that compile no step alone so far: {', '.join(f'`{name}`' for name in partly)}."
        )
    return " ".join(told)


def everywhere(found: Cells) -> str:
    """The laws that every factory keeps which they are for."""
    outcomes = {name: {outcome(cells, name) for cells in found.values()} - {"not applicable", "not measured"} for name in LAWS}
    return ", ".join(f"`{name}`" for name in LAWS if outcomes[name] == {"kept"})


def text(found: Cells) -> str:
    return f"""\
Measured on {versions()}: the {len(found)} of its {len(CASES)} factories that are in the tables, each with the numbers of
`tests/optax_cases.py`. {left_out(found)}

Laws marked † say what a method is (whether it measures whole leaves, or lets a NaN stay in an average), and breaking one is no
defect. Laws marked ‡ are gradtx's own contract: Optax does not promise them, and where it breaks them it does what it says.
A complex number, for one, is a single quantity there, which `split_real_and_imaginary` makes two. Laws about values, to which a pair
of functions cannot answer, are left out: {for_values()}.

Behind most of what is broken are a few habits: moments in the parameters' dtype, which turn float32 at the first float32 gradient;
`zeros_like` in a compiled init, which lays the state of sharded parameters on one device; an epsilon that float16 does not have;
squares that overflow; `1 - b ** count`, which strict promotion refuses.

Every factory keeps, where they are for it: {everywhere(found)}. {survival(found)}

### By law

{by_law(found)}

### By factory

The last column counts the laws marked ‡ that it breaks.

{by_factory(found)}

### Numbers of schedules

`{TRACED.name}`, where Optax's schedules mostly branch in Python on lengths and boundaries.

{schedules()}

### Published defects

What was known before the laws were written, each with the law that finds it. The last two rows are optimizers
that take another path than their papers, which a reference shows.

{defects()}"""


def write(found: Cells) -> None:
    before, rest = PAGE.read_text().split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{text(found)}\n\n{END}{after}")
