"""What is surveyed: Optax's factories as cases of the kit, the schedules, and the published defects with the law that finds each."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from gradtx.testing import LAWS, Case, Law, Violation, _problem
from tests.mannered import Pair
from tests.optax_cases import CASES, OptaxCase, ScheduleCase, itself, small_tree

LEFT_OUT = {"measure_with_ema": "its updates are one number, which moves no parameters"}
"""Factories whose rows the kit's `Case` cannot say, and why."""

STATED = dict.fromkeys(("apply_every", "apply_if_finite", "zero_nans"), "all")
"""What should be finite again after one NaN where a method remembers no gradient for ever. Optax states nothing for the rest."""


def row_of(name: str) -> OptaxCase:
    return next(row for row in CASES if row.name == name)


def examples(gradient: Any) -> Any:
    """The gradients of two examples, whose mean is this."""
    is_real = hasattr(gradient, "dtype") and jnp.issubdtype(gradient.dtype, jnp.inexact)
    return jnp.stack([0.5 * gradient, 1.5 * gradient]) if is_real else gradient


def adapted(row: OptaxCase) -> Callable[..., Any]:
    """The row's factory; where its updates take another gradient than that of the parameters, a pair that makes it of that."""
    if not row.batched and row.differentiated is itself:
        return row.with_numbers

    def factory(**numbers: Any) -> Pair:
        tx = row.with_numbers(**numbers)

        def update(updates: Any, state: Any, params: Any = None, **extras: Any) -> Any:
            gradient = row.differentiated(updates)
            return tx.update(jax.tree.map(examples, gradient) if row.batched else gradient, state, params, **extras)

        return Pair(tx.init, update)

    return factory


EXACT = "on the kit's loss, whose Hessian is diagonal, its estimate is exact whatever it draws"
EXEMPT = {"contrib.hutchinson_estimator_diag_hessian": {"random_draws_are_fresh": EXACT}}


def case_of(row: OptaxCase, law: str = "", **changes: Any) -> Case:
    """A row of Optax's table as a case of the kit. Numbers that cannot be traced are bound, but for laws about numbers."""
    about_numbers = law in LAWS and LAWS[law].function.__module__.endswith("sweeping")
    swept = {name: number for name, number in row.numbers.items() if about_numbers or name not in row.untraceable}
    bound = {name: number for name, number in row.numbers.items() if name not in swept}
    objective = {"obj_fn": lambda params, grads: _problem.loss}
    about = {
        "needs": objective if row.extras == ("obj_fn",) else row.extras,
        "params": None if row.tree is small_tree else row.tree(),
        "survives": STATED.get(row.name, "leaf"),
        "exempt": EXEMPT.get(row.name, {}),
        "name": row.name,
    }
    return Case(functools.partial(adapted(row), **bound), swept, **{**about, **changes})


def is_traceable(case: Case, name: str) -> bool:
    def at_three(number: Any) -> Any:
        return case.transformation(**{**case.arguments, name: number})(jnp.int32(3))

    try:
        jax.eval_shape(jax.vmap(at_three), jnp.asarray([case.arguments[name]] * 2))
    except (TypeError, ValueError, jax.errors.JAXTypeError):
        return False
    return True


def numbers_can_be_traced(case: Case) -> None:
    """Every number of a schedule can be traced, so that any of them can be swept or differentiated."""
    stuck = [name for name in case.arguments if not is_traceable(case, name)]
    if stuck:
        raise Violation("numbers that can be traced", "numbers that cannot", ", ".join(stuck))


TRACED = Law("every_number_of_a_schedule_can_be_traced", numbers_can_be_traced, "Compute with numbers by jnp alone.")


def case_of_schedule(row: ScheduleCase) -> Case:
    return Case(row.with_numbers, row.numbers, name=row.name)
