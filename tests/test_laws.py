"""The laws of the kit on every factory."""

import pytest

import gradtx as gx
from gradtx import testing
from gradtx._core.call import FORMS
from tests.cases import CASES


@testing.each_law(CASES)
def test_law(case, law, record_property):
    (verdict,) = report = testing.check(case, laws=[law])
    record_property("outcome", verdict.outcome)
    assert report, str(report)


EXEMPTIONS = [(case, name) for case in CASES for name in case.exempt]


@pytest.mark.parametrize(("case", "name"), EXEMPTIONS, ids=[f"{case.name}-{name}" for case, name in EXEMPTIONS])
def test_no_exemption_is_idle(case, name):
    """What is exempt from a law breaks it: an exemption that is not needed would hide what it says."""
    strict = testing.Case(case.transformation, needs=case.needs, survives=case.survives)
    assert testing.check(strict, laws=[name]).broken


def is_transformation(form) -> bool:
    return form.spec_name == form.name and isinstance(form.make, type(gx.adam)) and "schedule" not in form.body.__module__


def test_every_factory_is_a_row():
    factories = {form.name for form in FORMS.values() if is_transformation(form)}
    assert factories == {case.transformation.form.name for case in CASES}
