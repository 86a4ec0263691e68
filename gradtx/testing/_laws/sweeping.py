"""Hyperparameters: every number may be traced, mapped over, scheduled, differentiated."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradtx._core.apply import apply_updates
from gradtx._core.numerics import strong
from gradtx._core.trees import is_trainable
from gradtx._schedules.polynomial import linear_schedule
from gradtx.testing import _problem
from gradtx.testing._case import Case
from gradtx.testing._compare import WIDE, close, compilations, member, stacked
from gradtx.testing._law import NotApplicableError, Violation, law


@law("Compute with every number by jnp alone: no float(), no Python comparison, no number that decides a shape.")
def every_number_can_be_traced(case: Case) -> None:
    """No number has to be known when a step is compiled: any of them may be swept, scheduled, differentiated."""
    case.visible_numbers()
    if case.untraceable:
        raise Violation("a step with a tracer for it", next(iter(case.untraceable.values())), ", ".join(case.untraceable))


@law("Compute each member of a batch by itself: no rule for batches that mixes them, no state outside of the state.")
def vmap_over_every_number_equals_a_loop(case: Case) -> None:
    """A batch of optimizers is an optimizer: any number can be swept in one compiled program."""
    with jax.enable_x64(True):
        params = case.problem(jnp.float64)
        members = list(case.other_numbers())
        batch = stacked(members)
        state = jax.vmap(lambda numbers: case.make(numbers).init(params))(batch)
        start = stacked([params] * len(members))
        swept = (start, state)
        for _ in range(2):
            updates, state = case.mapped(batch, _problem.gradients(swept[0]), swept[1], swept[0])
            swept = _problem.moved(swept[0], updates), state
        for k, numbers in enumerate(members):
            alone = case.walk(numbers, params, 2)
            close(alone, member(swept, k), **WIDE)


@law("Make numbers arguments of the compiled step: keep them out of closures and static fields.")
def new_numbers_compile_nothing(case: Case) -> None:
    """Another learning rate, or any other number, runs the program that is there already."""
    compiled = case.jitted_again()
    with jax.enable_x64(True):
        params = case.problem(jnp.float64)
        for numbers in case.other_numbers():
            case.compiled_step(numbers, params, case.make(numbers).init(params), jitted=compiled)
    if compilations(compiled) != 1:
        raise Violation("1 compilation for all numbers", str(compilations(compiled)))


@law("Annotate the argument as a number (gradtx.Number and its kin), so that the factory sees its value at each step.")
def every_number_may_be_a_schedule(case: Case) -> None:
    """A schedule may stand for any number, and the step sees its value."""
    case.value()
    numbers = case.traced_numbers()
    with jax.enable_x64(True):
        params = case.problem(jnp.float64)
        schedules = {name: linear_schedule(number, 0.9 * number, 4) for name, number in numbers.items() if _may_be_scheduled(number)}
        scheduled = Case(case.make(schedules), needs=case.needs, params=case.params)
        state = scheduled.make().init(params)
        by_hand = params, state
        for k in range(2):
            now = {name: strong(schedules[name](k)) if name in schedules else strong(number) for name, number in numbers.items()}
            by_hand = case.compiled_step(now, *by_hand)
        close(by_hand, scheduled.walk(None, params, 2), **WIDE)


def _may_be_scheduled(number: Any) -> bool:
    return np.ndim(number) == 0 and _is_real(number)


def _is_real(number: Any) -> bool:
    """Whether it can be differentiated: no integer, and no random key."""
    return bool(jnp.issubdtype(jnp.result_type(number), jnp.floating))


class _Watched:
    """A constant schedule that keeps the steps at which it is evaluated. It is called by other libraries, asked `at_step` by gradtx."""

    def __init__(self, number: float) -> None:
        self.number, self.seen = number, []

    def __call__(self, step: Any) -> jax.Array:
        jax.debug.callback(lambda step: self.seen.append(int(step)), step)
        return jnp.asarray(self.number, float)

    at_step = __call__


@law("Read a schedule at one count, the step's own, wherever the step needs its value.")
def schedules_see_every_step_once(case: Case) -> None:
    """A schedule runs with the training: each step asks it for one count, and the next step for the next."""
    watched = {name: _Watched(number) for name, number in case.traced_numbers().items() if _may_be_scheduled(number)}
    together = [watched] if case.is_value else [{name: schedule} for name, schedule in watched.items()]
    steps = {name: counts for schedules in together for name, counts in _steps_seen(case, schedules).items() if any(counts)}
    if not steps:
        raise NotApplicableError("no schedule may stand for a number of it")
    for name, counts in steps.items():
        first = min(count for each in counts for count in each)
        expected = [{first + k} for k in range(len(counts))]
        if counts != expected:
            raise Violation(f"the counts {_listed(expected)} at three steps", _listed(counts), name)


def _listed(counts: Any) -> str:
    return ", ".join(" and ".join(map(str, sorted(each))) or "none" for each in counts)


def _steps_seen(case: Case, schedules: dict[str, Any]) -> dict[str, list[set[int]]]:
    """For each schedule, the counts at which each of three steps evaluates it; nothing where a factory takes no schedules."""
    counts: dict[str, list[set[int]]] = {name: [] for name in schedules}
    params = case.problem()
    try:
        tx = case.make(schedules)
        state = tx.init(params)
        for _ in range(3):
            jax.effects_barrier()
            for schedule in schedules.values():
                schedule.seen.clear()
            _, state = tx.update(params, state, params, **case.extras(params, params))
            jax.effects_barrier()
            for name, schedule in schedules.items():
                counts[name].append(set(schedule.seen))
    except Exception:
        if case.is_value:
            raise
        return {}
    return counts


@law("Keep roots and quotients away from zero: a square root with derivative 0 at 0, jnp.where around the divisor.")
def hypergradients_are_finite(case: Case) -> None:
    """Hyperparameters can be tuned by gradient: derivatives through twenty steps are finite, zero gradients included."""
    numbers = {name: number for name, number in case.traced_numbers().items() if _is_real(number)}
    if not numbers:
        raise NotApplicableError("it has no numbers but integers and keys")
    params = case.problem()

    def final(numbers: Any, used: Any) -> jax.Array:
        tx = case.make(numbers)

        def loss(params: Any) -> jax.Array:
            return _problem.loss(jax.tree.map(lambda leaf: used * leaf if is_trainable(leaf) else leaf, params))

        def body(carry: Any, _: None) -> Any:
            params, state = carry
            grads = _problem.slope(params, loss)
            updates, state = tx.update(grads, state, params, **case.extras(params, grads, loss))
            shrunk = jax.tree.map(lambda u: -0.05 * u if is_trainable(u) and not _descends(case) else u, updates)
            return (apply_updates(params, shrunk), state), None

        return _problem.loss(jax.lax.scan(body, (params, tx.init(params)), None, length=20)[0][0])

    differentiated = jax.jit(jax.grad(final))
    for used in (1.0, 0.0):
        for name, slope in differentiated(numbers, used).items():
            if not bool(jnp.all(jnp.isfinite(slope))):
                raise Violation("a finite derivative", str(slope), f"{name}{'' if used else ', weights that the loss does not use'}")


def _descends(case: Case) -> bool:
    """Whether its numbers include a learning rate; other parts leave the sign and the size of the step to the chain."""
    return any(name.rpartition("/")[2] == "learning_rate" for name in case.numbers)
