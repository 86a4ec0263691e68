"""The laws of the kit on every factory."""

import collections
import pathlib

import jax
import jax.numpy as jnp
import pytest

import gradtx as gx
from gradtx import testing
from gradtx._core.at_first_use import import_all
from gradtx._core.call import FORMS
from tests.cases import CASES


@testing.each_law(CASES)
def test_law(case, law, record_property):
    (verdict,) = report = testing.check(case, laws=[law])
    record_property("outcome", verdict.outcome)
    assert report, str(report)


def test_parameters_of_a_case_may_hold_what_is_not_trained():
    params = {"w": jnp.ones((4, 3)), "n": jnp.arange(3), "key": jax.random.key(0), "flag": jnp.array(True)}
    report = testing.check(testing.Case(gx.adam(0.1), params=params))
    assert report, str(report)


PAGE = pathlib.Path(__file__).parents[1] / "docs/laws.md"


def documented() -> str:
    """What the page says of the laws, from the laws and the table of cases."""
    reasons = collections.Counter(reason for case in CASES for reason in case.exempt.values())
    exempt = reasons.total()
    cells = f"{len(CASES)} cases and {len(testing.LAWS)} laws make {len(CASES) * len(testing.LAWS)} cells, of which {exempt} are exempt"
    whys = "\n".join(f"| {reason} | {count} |" for reason, count in reasons.most_common())
    laws = "\n".join(f"| `{law.name}` | {law.benefit} |" for law in testing.LAWS.values())
    return (
        f"Every public factory of gradtx keeps them: {cells}, for these reasons and no others:\n\n"
        f"| reason | cells |\n|---|---|\n{whys}\n\n| law | what it buys you |\n|---|---|\n{laws}\n"
    )


def test_the_page_lists_the_laws_and_the_exemptions():
    assert documented() in PAGE.read_text()


EXEMPTIONS = [(case, name) for case in CASES for name in case.exempt]


@pytest.mark.parametrize(("case", "name"), EXEMPTIONS, ids=[f"{case.name}-{name}" for case, name in EXEMPTIONS])
def test_no_exemption_is_idle(case, name):
    """What is exempt from a law breaks it: an exemption that is not needed would hide what it says."""
    strict = testing.Case(case.transformation, needs=case.needs, survives=case.survives)
    assert testing.check(strict, laws=[name]).broken


def is_transformation(form) -> bool:
    others = ("gradtx._schedules", "gradtx._core.schedule", "gradtx._core.roles", "gradtx._storage")
    return form.spec_name == form.name and isinstance(form.make, type(gx.adam)) and not form.body.__module__.startswith(others)


def forms_in(tx):
    """The factory of a transformation and those of what stands in its arguments."""
    yield tx.form.name
    for _, inner in tx.children():
        if isinstance(inner, gx.GradientTransformation):
            yield from forms_in(inner)


def test_every_factory_is_a_row():
    import_all()
    factories = {form.name for form in FORMS.values() if is_transformation(form)}
    named = {case.transformation.form.name for case in CASES}
    assert named <= factories
    assert factories == {name for case in CASES for name in forms_in(case.transformation)}
    assert factories - named == {"scale_by_eigenvalues"}, "it divides by what a basis publishes, so it stands in one"
