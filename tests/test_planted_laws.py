"""The kit finds every planted bug under its law, finds nothing in the repaired twins, and blames no other law without a reason."""

import functools

import pytest

from gradtx.testing import LAWS, Report, check
from tests.planted import PLANTED, Planted

SLOW = {
    "arranging_leaves_changes_nothing",
    "complex_equals_real_and_imaginary_parts",
    "constant_gradients_do_no_harm",
    "donation_works",
    "every_kind_of_tree",
    "explicit_meshes_work",
    "hypergradients_are_finite",
    "jit_equals_eager",
    "new_numbers_compile_nothing",
    "no_false_alarm_of_nan_checking",
    "no_leaf_is_gathered",
    "nothing_leaks",
    "resuming_is_exact",
    "scan_works",
    "sharded_equals_unsharded",
    "small_steps_add_up",
    "splitting_a_leaf_changes_nothing",
    "steps_share_one_compilation",
    "vmap_over_every_number_equals_a_loop",
    "vmap_over_problems_equals_a_loop",
    "zero_gradients_do_no_harm",
}
"""Laws that compile more than one step: tried on the rows that are about them alone, for time's sake."""

every_bug = pytest.mark.parametrize("row", PLANTED, ids=lambda row: row.name)


@functools.cache
def report(row: Planted, broken: bool) -> Report:
    laws = [name for name in LAWS if name == row.law or name not in SLOW]
    return check(row.case(row.broken if broken else row.twin), laws=laws)


@every_bug
def test_a_bug_breaks_its_law(row):
    assert row.law in {verdict.law.name for verdict in report(row, True).broken}


@every_bug
def test_a_bug_breaks_no_other_law_without_a_reason(row):
    assert {verdict.law.name for verdict in report(row, True).broken} - {row.law} == set(row.also)
    assert all(row.also.values())


@every_bug
def test_a_twin_breaks_no_law(row):
    assert report(row, False), str(report(row, False))


def test_a_twin_keeps_its_law_and_is_not_excused():
    for row in PLANTED:
        (verdict,) = (verdict for verdict in report(row, False) if verdict.law.name == row.law)
        assert verdict.outcome == "kept"


def test_laws_that_are_not_for_a_twin_say_why():
    """Those about values of gradtx, and those about what a row does not have: a reference, noise, an extra, a count."""
    reasons = {verdict.reason for row in PLANTED for verdict in report(row, False) if verdict.outcome == "not applicable"}
    assert reasons == {
        "it is no value of gradtx",
        "no reference is given",
        "it draws no random numbers",
        "it needs no extra",
        "it counts nothing in its state",
        "no schedule may stand for a number of it",
    }


def test_every_bug_has_a_law_of_the_kit():
    assert {law for row in PLANTED for law in (row.law, *row.also)} | SLOW <= set(LAWS)
