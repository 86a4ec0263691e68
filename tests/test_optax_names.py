"""The page of Optax's names: it answers for every name there is, its expressions mean something, and those that are the same are."""

import operator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import gradtx as gx
from tests import optax_page
from tests.certified import CERTIFICATES
from tests.optax_names import CERTIFIED, OUTSIDE, WITHOUT_RATE, Row, answered, here, name_of, optax_names, rows, same_calls
from tests.optax_page import ALIKE, PAGE, ROUNDING, distance, of_gradtx, of_optax

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
ROWS = list(rows())
COMPARED = [row for row in ROWS if row.compared]
CALLED = [call for call in ALIKE if "(" in call]


def test_every_public_name_of_optax_has_an_answer() -> None:
    assert optax.__version__ == "0.2.8"
    assert optax_names() - set(answered()) == set(), "names of Optax that the page does not answer for"
    assert set(answered()) - optax_names() == set(), "names that Optax does not have"


def test_the_page_is_what_is_generated() -> None:
    assert PAGE.read_text() == optax_page.text(), "run `make names`"


@pytest.mark.parametrize("call", same_calls())
def test_the_same_call_means_something_in_both(call: str) -> None:
    assert name_of(here(call)) in gx.__all__
    theirs, ours = of_optax(call), of_gradtx(here(call))
    assert isinstance(theirs, optax.GradientTransformation) == isinstance(ours, gx.GradientTransformation)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.optax)
def test_the_other_spelling_means_something(row: Row) -> None:
    assert operator.attrgetter(row.name)(optax) is not None
    assert of_gradtx(row.gradtx) is not None
    assert "gradtx." not in row.gradtx


@pytest.mark.parametrize("call", CALLED)
def test_the_same_call_does_the_same(call: str) -> None:
    assert distance(call, here(call)) < ROUNDING


@pytest.mark.parametrize("row", COMPARED, ids=lambda row: row.optax)
def test_the_other_spelling_does_the_same_unless_it_says_otherwise(row: Row) -> None:
    assert (distance(row.optax, row.gradtx) < ROUNDING) == (not row.differs)


def test_what_is_said_to_be_certified_has_a_certificate() -> None:
    certified = {row.call.split("(")[0] for row in CERTIFICATES}
    assert {here(name) for name in [*CERTIFIED, *WITHOUT_RATE]} <= certified


def test_modules_that_are_outside_are_modules() -> None:
    assert all(isinstance(getattr(optax, name), type(jax)) for name in OUTSIDE)


def test_lbfgs_of_optax_can_stand_in_a_chain() -> None:
    """As the page says of searches: its own loop and a chain of gradtx around it arrive at the same place."""
    target = jnp.array([1.0, -2.0, 3.0])

    def loss(x: jax.Array) -> jax.Array:
        return jnp.sum(jnp.array([1.0, 10.0, 100.0]) * (x - target) ** 2) + jnp.sum((x - target) ** 4)

    def run(tx: Any) -> jax.Array:
        def step(carry: Any, _: None) -> Any:
            x, state = carry
            value, gradient = jax.value_and_grad(loss)(x)
            updates, state = tx.update(gradient, state, x, value=value, grad=gradient, value_fn=loss)
            return (gx.apply_updates(x, updates), state), None

        return jax.jit(lambda x: jax.lax.scan(step, (x, tx.init(x)), length=15)[0][0])(jnp.zeros(3))

    np.testing.assert_allclose(run(gx.chain(optax.lbfgs())), run(optax.lbfgs()), rtol=1e-5)
    np.testing.assert_allclose(run(gx.chain(optax.lbfgs())), target, rtol=1e-3)


def test_a_slow_copy_is_lookahead_that_goes_all_the_way() -> None:
    """As the page says of `periodic_update`."""
    tx = gx.lookahead(gx.sgd(0.1), 3.0, 1.0)
    x, slow = jnp.array([1.0, -2.0]), jnp.array([1.0, -2.0])
    state = tx.init(x)
    for k in range(1, 8):
        updates, state = tx.update(2 * x, state, x)
        x = gx.apply_updates(x, updates)
        slow = optax.periodic_update(x, slow, jnp.int32(k), 3)
        np.testing.assert_allclose(gx.eval_params(tx, x, state), slow, rtol=1e-6)
    np.testing.assert_allclose(x, 0.8**7 * jnp.array([1.0, -2.0]), rtol=1e-5)


def test_a_moment_of_the_parameters_is_an_incremental_update() -> None:
    tx, path = gx.ema_from_first(0.9), [jnp.array([1.0, -2.0]), jnp.array([0.5, 3.0]), jnp.array([2.0, 2.0])]
    slow, state = path[0], tx.init(path[0])
    for x in path:
        slow = optax.incremental_update(x, slow, 0.1)
        average, state = tx.update(x, state)
        np.testing.assert_allclose(average, slow, rtol=1e-6)
