"""The table of Optax's factories is complete, every row runs, and what a row says of its factory is so."""

import dataclasses
import inspect
import types
import typing
from typing import Any

import jax
import jax.numpy as jnp
import optax
import pytest

from tests.optax_cases import CASES, SCHEDULES, bowl, named, small_tree

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
every_schedule = pytest.mark.parametrize("case", SCHEDULES, ids=lambda case: case.name)


def public_callables() -> dict[str, Any]:
    """Every public callable of Optax by its first path. What `optax` has is not listed again below it."""
    found: dict[str, Any] = {}
    for prefix, module in (("", optax), ("contrib.", optax.contrib), ("transforms.", optax.transforms)):
        for name, value in vars(module).items():
            if not name.startswith("_") and callable(value) and not (prefix and vars(optax).get(name) is value):
                found[prefix + name] = value
    return found


def signature(factory: Any) -> inspect.Signature:
    try:
        return inspect.signature(factory)
    except (TypeError, ValueError):  # type aliases are callable and have none
        return inspect.Signature(return_annotation=None)


GUESSES = [(), (0.1,), ({},), (optax.identity(),), (lambda *arguments: arguments[0],)]


def makes_by_calling(factory: Any, guess: tuple[Any, ...]) -> bool:
    try:
        return isinstance(factory(*guess), optax.GradientTransformation)
    except Exception:  # a guess that does not fit may fail in any way
        return False


def makes_transformations(factory: Any) -> bool:
    """Whether the annotations say so, those of a class's methods included; where there is none, whether a call returns one."""
    if isinstance(factory, type):
        returned = [getattr(method, "__annotations__", {}).get("return") for method in vars(factory).values()]
        return any("GradientTransformation" in str(annotation) for annotation in returned)
    annotation = signature(factory).return_annotation
    if annotation is not inspect.Signature.empty:
        return "GradientTransformation" in str(annotation)
    return any(makes_by_calling(factory, guess) for guess in GUESSES)


def test_the_table_is_that_of_the_installed_optax():
    assert optax.__version__ == "0.2.8"
    rows = [case.name for case in CASES]
    assert {name for name, value in public_callables().items() if makes_transformations(value)} == set(rows)
    assert len(rows) == len(set(rows)) == 130


def test_the_table_of_schedules_is_that_of_the_installed_optax():
    factories = {name for name, value in public_callables().items() if signature(value).return_annotation == optax.Schedule}
    assert factories == {case.name for case in SCHEDULES}


NOT_NUMBERS = {"axis": "an axis", "key": "a random key", "seed": "a random key"}
"""Arguments whose annotation allows a number, and what they are."""


def is_numeric(annotation: Any) -> bool:
    """Whether a number is allowed, and not only because any tree is."""
    is_union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    allowed = typing.get_args(annotation) if is_union else (annotation,)
    return (float in allowed or int in allowed) and not any("Mapping" in str(kind) for kind in allowed)


@pytest.mark.parametrize("case", [*CASES, *SCHEDULES], ids=lambda case: case.name)
def test_every_numeric_argument_is_a_number_or_a_size_of_the_row(case):
    arguments = signature(named(case.name)).parameters.values()
    numeric = {argument.name for argument in arguments if is_numeric(argument.annotation)}
    assert numeric <= {*case.numbers, *getattr(case, "sizes", ()), *NOT_NUMBERS}


@every_case
def test_a_row_inits_and_updates_once(case):
    tx, params = case.make(), case.tree()
    assert isinstance(tx, optax.GradientTransformation)
    updates, state = case.step(tx, params, tx.init(params))
    assert all(bool(jnp.all(jnp.isfinite(leaf))) for leaf in jax.tree.leaves((updates, state)))
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(updates))
    if case.name != "measure_with_ema":
        assert jax.tree.structure(updates) == jax.tree.structure(params)
        assert jax.tree.map(jnp.shape, updates) == jax.tree.map(jnp.shape, params)


@pytest.mark.parametrize("case", [case for case in CASES if case.tree is not small_tree], ids=lambda case: case.name)
def test_a_row_has_a_tree_of_its_own_because_the_small_tree_fails(case):
    tx, params = case.make(), small_tree()
    try:
        updates, _ = dataclasses.replace(case, differentiated=lambda params: params).step(tx, params, tx.init(params))
    except (ValueError, AttributeError, IndexError):
        return
    assert jax.tree.map(jnp.shape, updates) != jax.tree.map(jnp.shape, params)


SILENT_WITHOUT_PARAMETERS = {"scale_by_backtracking_linesearch"}


@every_case
def test_parameters_are_needed_where_the_row_says_so(case):
    tx, params = case.make(), case.tree()
    gradient, arguments = case.gradient(params), case.arguments(params)
    state = jax.eval_shape(tx.init, params)

    def run() -> Any:
        return jax.eval_shape(lambda gradient, state: tx.update(gradient, state, **arguments), gradient, state)

    if not case.needs_params or case.name in SILENT_WITHOUT_PARAMETERS:
        run()
        return
    with pytest.raises((ValueError, TypeError, AttributeError, IndexError)):
        run()


@every_case
def test_extras_are_needed_where_the_row_says_so(case):
    tx, params = case.make(), case.tree()
    arguments = case.arguments(params)
    for extra in case.extras:
        rest = {name: value for name, value in arguments.items() if name != extra}
        with pytest.raises((ValueError, TypeError)):
            jax.eval_shape(lambda params, rest=rest: tx.update(case.gradient(params), tx.init(params), params, **rest), params)


def traced(case: Any, run: Any, names: tuple[str, ...]) -> None:
    """Run the row's factory in a batch of two with tracers for these numbers."""
    values = {name: jnp.asarray([case.numbers[name]] * 2) for name in names}
    jax.eval_shape(jax.vmap(lambda values: run(case.with_numbers(**{**case.numbers, **values}))), values)


TRACER_ERRORS = (TypeError, ValueError, jax.errors.JAXTypeError)


def check_tracing(case: Any, run: Any) -> None:
    if traceable := tuple(name for name in case.numbers if name not in case.untraceable):
        traced(case, run, traceable)
    for name in case.untraceable:
        with pytest.raises(TRACER_ERRORS):
            traced(case, run, (name,))


@every_case
def test_numbers_are_traceable_but_for_those_that_the_row_names(case):
    params = case.tree()
    check_tracing(case, lambda tx: case.step(tx, params, tx.init(params))[0])


@every_schedule
def test_numbers_of_schedules_are_traceable_but_for_those_that_the_row_names(case):
    assert jnp.isfinite(case.make()(3))
    check_tracing(case, lambda schedule: schedule(jnp.int32(3)))


@pytest.mark.parametrize("name", ["adam", "lbfgs", "polyak_sgd", "lookahead", "contrib.sophia"])
def test_a_row_trains_the_bowl(name):
    (case,) = [case for case in CASES if case.name == name]
    tx, params = case.make(), case.tree()

    def body(carry: Any, _: None) -> Any:
        params, state = carry
        updates, state = case.step(tx, params, state)
        return (optax.apply_updates(params, updates), state), None

    (trained, _), _ = jax.lax.scan(body, (params, tx.init(params)), length=20)
    assert bowl(case.differentiated(trained)) < 0.5 * bowl(case.differentiated(params))
