"""The certificates: the page shows what is measured here, and whatever departs has a reason and a chain that takes the other path."""

import re

import keras
import optax
import pytest
import torch

from tests import certificates
from tests.certificates import BEGIN, END, PAGE, ROUNDING
from tests.certified import CERTIFICATES

ROWS = range(len(CERTIFICATES))
SHOWN = PAGE.read_text().split(BEGIN)[1].split(END)[0].strip().splitlines()


def named(k: int) -> str:
    return CERTIFICATES[k].call


@pytest.mark.parametrize("k", ROWS, ids=named)
def test_the_page_shows_what_is_measured(k: int) -> None:
    assert SHOWN[2 + k] == certificates.line(k), "run `make certificates`"


def test_the_page_certifies_every_optimizer_and_nothing_else() -> None:
    optimizers = re.findall(r"^::: gradtx\.(\w+)$", (PAGE.parent / "api/optimizers.md").read_text(), re.MULTILINE)
    assert {re.match(r"\w+", row.call)[0] for row in CERTIFICATES} == set(optimizers)
    assert len(SHOWN) == 2 + len(CERTIFICATES)
    assert SHOWN[:2] == certificates.table_head()


def test_the_page_names_the_versions_that_are_measured() -> None:
    release = ".".join(torch.__version__.split(".")[:2])
    assert f"**From PyTorch {release}, Optax {optax.__version__} and Keras {keras.__version__}.**" in PAGE.read_text()


@pytest.mark.parametrize("k", ROWS, ids=named)
def test_whatever_departs_has_its_reason(k: int) -> None:
    assert certificates.deviations(k).keys() == CERTIFICATES[k].reasons.keys()


@pytest.mark.parametrize("k", ROWS, ids=named)
def test_no_digit_hangs_on_rounding(k: int) -> None:
    """Another machine's last bits must not change the page: a digit is 1e-5 away from the next, and rounding far below its bound."""
    for name, size in certificates.distances(k).items():
        if name in certificates.deviations(k):
            assert certificates.one_digit(size * (1 + 1e-5)) == certificates.one_digit(size * (1 - 1e-5)) != "0", name
        else:
            assert size is None or size < ROUNDING[name] / 10, name


DIALECTS = [(k, name) for k in ROWS for name, reason in CERTIFICATES[k].reasons.items() if reason.dialect is not None]


@pytest.mark.parametrize(("k", "name"), DIALECTS, ids=lambda value: named(value) if isinstance(value, int) else value)
def test_a_chain_takes_the_other_path(k: int, name: str) -> None:
    assert certificates.distance_of(CERTIFICATES[k].reasons[name].dialect, name, k) < 1e-10


def test_one_difference_is_no_choice_of_parts() -> None:
    """RAdam's threshold: see test_radam_departs_from_its_paper_in_the_fifth_step."""
    missing = [(row.call, name) for row in CERTIFICATES for name, reason in row.reasons.items() if reason.dialect is None]
    assert missing == [("radam(lr)", "paper")]
