"""The page of laws shows what is so: its versions are the installed ones, and a sample of its cells is measured again."""

import re

import jax
import optax
import pytest

from gradtx.testing import LAWS, check
from tests.finders import FINDERS
from tests.optax_cases import CASES, SCHEDULES
from tests.published_defects import DEFECTS, DEVIATIONS
from tests.survey_page import BEGIN, END, OF_THE_METHOD, PAGE, STRICTER, defects, schedules, versions
from tests.surveyed import LEFT_OUT, TRACED, case_of, case_of_schedule, row_of

SHOWN = PAGE.read_text().split(BEGIN)[1].split(END)[0]

SAMPLE = [
    ("adam", "state_keeps_its_types"),
    ("adam", "steps_share_one_compilation"),
    ("adam", "zero_gradients_do_no_harm"),
    ("adam", "huge_gradients_pass"),
    ("adam", "sharded_equals_unsharded"),
    ("adam", "state_has_no_weak_types"),
    ("adam", "init_aliases_nothing"),
    ("adabelief", "runs_are_identical"),
    ("lbfgs", "state_has_no_weak_types"),
    ("lbfgs", "init_aliases_nothing"),
    ("lion", "zero_gradients_do_no_harm"),
    ("monitor", "scan_works"),
    ("contrib.cocob", "init_aliases_nothing"),
    ("contrib.dog", "init_aliases_nothing"),
    ("contrib.dowg", "init_aliases_nothing"),
    ("contrib.prodigy", "init_aliases_nothing"),
    ("contrib.prodigy", "explicit_meshes_work"),
    ("radam", "hypergradients_are_finite"),
    ("normalize_by_update_norm", "mixed_dtypes_keep_their_own"),
]
"""Cells of the table by factory that are measured again."""


def rows(heading: str) -> list[list[str]]:
    section = SHOWN.split(f"\n### {heading}\n")[1].split("\n### ")[0]
    lines = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line] for line in lines[2:]]


def codes(cell: str) -> list[str]:
    return re.findall(r"`([\w.]+)`", cell)


def shown_as_broken() -> dict[str, list[str]]:
    return {codes(name)[0]: codes(laws) for name, laws, _ in rows("By factory")}


def test_the_page_names_the_installed_versions():
    assert f"Optax {optax.__version__} with JAX {jax.__version__}" == versions()
    assert f"Measured on {versions()}:" in SHOWN


def test_every_factory_is_on_the_page():
    assert [*shown_as_broken()] == [row.name for row in CASES if row.name not in LEFT_OUT]
    assert "compile no step alone so far" not in SHOWN
    assert all(f"`{name}` is left out, for {reason}." in SHOWN for name, reason in LEFT_OUT.items())


def test_the_counts_are_those_of_the_table_by_factory():
    broken = shown_as_broken()
    for cell, kept, count, not_applicable in rows("By law"):
        (law,) = codes(cell)
        assert int(kept) + int(count) + int(not_applicable) <= len(broken)
        if law not in OF_THE_METHOD | STRICTER:
            assert int(count) == sum(law in laws for laws in broken.values()), law


def test_the_laws_that_are_marked_are_laws():
    assert set(LAWS) >= OF_THE_METHOD | STRICTER
    assert not OF_THE_METHOD & STRICTER


@pytest.mark.parametrize(("name", "law"), [cell for cell in SAMPLE if cell[0] in shown_as_broken()])
def test_a_cell_measured_again_is_the_one_shown(name, law):
    (verdict,) = check(case_of(row_of(name), law), laws=[law])
    assert (law in shown_as_broken()[name]) == (verdict.outcome == "broken")


def test_the_table_of_defects_is_complete():
    assert set(FINDERS) == {*(defect.id for defect in DEFECTS), *(deviation.row for deviation in DEVIATIONS)}
    assert defects() in SHOWN


@pytest.mark.parametrize("id", FINDERS)
def test_a_published_defect_is_found_by_its_law(id):
    case, law = FINDERS[id]
    (verdict,) = check(case, laws=[law])
    assert verdict.outcome == "broken"


def test_the_numbers_of_schedules_are_those_shown():
    assert schedules() in SHOWN
    for row in SCHEDULES:
        (verdict,) = check(case_of_schedule(row), laws=[TRACED])
        assert set(verdict.leaf.split(", ")) - {""} == set(row.untraceable)
