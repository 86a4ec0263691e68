"""Every published defect is present in the installed Optax, and two of its optimizers are as far from their papers as the table says."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch

from tests.optax_cases import CASES
from tests.published_defects import DEFECTS, DEVIATIONS, Deviation, drawn_gradients
from tests.references import adan, rprop

every_deviation = pytest.mark.parametrize("case", DEVIATIONS, ids=lambda case: case.row)


def test_every_defect_is_listed_once_and_names_rows():
    assert optax.__version__ == "0.2.8"
    assert [defect.id for defect in DEFECTS] == [f"D{k}" for k in range(1, 29)]
    named = {name for defect in DEFECTS for name in (defect.row, *defect.siblings)} | {case.row for case in DEVIATIONS}
    assert named <= {case.name for case in CASES}


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: f"{defect.id}-{defect.row}")
def test_a_published_defect_is_present(defect):
    assert defect.is_present() is True


@pytest.fixture
def double_precision() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def trajectory(case: Deviation) -> np.ndarray:
    start, gradients = drawn_gradients()

    def step(carry: Any, gradient: Any) -> Any:
        params, state = carry
        updates, state = case.optimizer.update(gradient, state, params)
        params = optax.apply_updates(params, updates)
        return (params, state), params

    params = jnp.asarray(start)
    return np.asarray(jax.lax.scan(step, (params, case.optimizer.init(params)), gradients)[1])


def distance(path: np.ndarray, reference: Any) -> float:
    start, gradients = drawn_gradients()
    theirs = np.stack(list(reference(start, gradients)))
    return float(np.max(np.abs(path - theirs)) / np.max(np.abs(theirs - start)))


@every_deviation
def test_an_optimizer_is_that_far_from_its_paper(case, double_precision):
    path = trajectory(case)
    assert path.dtype == np.float64
    assert distance(path, case.paper) == pytest.approx(case.distance, rel=1e-6)
    assert case.distance > 0.1


@every_deviation
def test_what_it_follows_instead_explains_all_of_it(case, double_precision):
    assert distance(trajectory(case), case.follows) < 1e-12


def test_the_reference_of_rprop_is_pytorchs():
    start, gradients = drawn_gradients()
    params = torch.tensor(start, requires_grad=True)
    optimizer = torch.optim.Rprop([params], lr=0.1)
    for gradient, expected in zip(gradients, rprop.irprop_minus(start, gradients, 0.1), strict=True):
        params.grad = torch.tensor(gradient)
        optimizer.step()
        np.testing.assert_allclose(params.detach().numpy(), expected, rtol=1e-14)


def test_rprop_with_backtracking_takes_the_last_step_back_where_a_sign_turns():
    start, gradients = drawn_gradients()
    steps = [np.diff(list(rule(start, gradients, 0.1)), axis=0, prepend=start[None]) for rule in (rprop.rprop_plus, rprop.irprop_minus)]
    turned = steps[1] == 0
    assert turned.any()
    np.testing.assert_allclose(steps[0][~turned], steps[1][~turned], atol=1e-12)
    taken_back = np.roll(-steps[0], 1, axis=0)
    np.testing.assert_allclose(steps[0][turned], taken_back[turned], atol=1e-12)


def test_the_paper_of_adan_and_its_authors_code_agree_once_the_start_is_forgotten():
    """Both average with the same weights; only the first steps differ, where one corrects for a start at zero."""
    rng = np.random.default_rng(0)
    gradients = 1 + 0.1 * rng.normal(size=(1500, 3))
    start = np.zeros(3)
    paths = [np.stack(list(rule(start, gradients, 0.1))) for rule in (adan.adan, adan.corrected_adan)]
    steps = [np.diff(path, axis=0) for path in paths]
    np.testing.assert_allclose(steps[0][-10:], steps[1][-10:], rtol=1e-5)
