"""Every schedule: its documented values, and that each of its numbers may be traced."""

import dataclasses
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradtx as gx
from gradtx._core.at_first_use import import_all
from gradtx._core.call import FORMS
from gradtx.testing._laws.values import every_name

END = 2**31 - 1
STEPS = np.arange(130)


@dataclasses.dataclass(frozen=True)
class Case:
    """A schedule, values that its docstring promises (by step), its value for ever after, and the way it goes."""

    schedule: gx.Schedule
    values: dict[int, float]
    last: float
    goes: str = ""


LINEAR = gx.linear_schedule(0.3, 0.1, 40, 7)
COSINE = gx.cosine_decay_schedule(0.3, 40, 0.1)


def rectified(decay: float, t: int) -> float:
    """RAdam's rₜ, with the length of the average written as ρ∞ + 2 t − 2 t / (1 − βᵗ)."""
    longest = (1 + decay) / (1 - decay)
    length = longest + 2 * t - 2 * t / (1 - decay**t)
    return ((length - 4) / (longest - 4) * (length - 2) / (longest - 2) * longest / length) ** 0.5


CASES = [
    Case(gx.constant_schedule(0.3), {0: 0.3, 50: 0.3}, 0.3),
    Case(LINEAR, {0: 0.3, 7: 0.3, 27: 0.2, 47: 0.1}, 0.1, "down"),
    Case(gx.linear_schedule(0.0, 0.3, 30), {0: 0.0, 1: 0.01, 30: 0.3}, 0.3, "up"),
    Case(gx.polynomial_schedule(0.3, 0.1, 2.0, 40, 7), {0: 0.3, 7: 0.3, 27: 0.1 + 0.2 / 4, 47: 0.1}, 0.1, "down"),
    Case(COSINE, {0: 0.3, 20: 0.165, 40: 0.03}, 0.03, "down"),
    Case(gx.warmup_cosine_decay_schedule(0.05, 0.3, 10, 60, 0.01), {0: 0.05, 5: 0.175, 10: 0.3, 35: 0.155, 60: 0.01}, 0.01),
    Case(gx.sgdr_schedule(0.3, 30.0, 1.0, 0.1), {0: 0.3, 15: 0.2, 30: 0.3, 45: 0.2, 60: 0.3, 90: 0.3}, np.nan),
    Case(gx.sgdr_schedule(0.3, 10.0, 2.0, 0.1), {0: 0.3, 5: 0.2, 10: 0.3, 20: 0.2, 30: 0.3, 50: 0.2, 70: 0.3}, np.nan),
    Case(gx.exponential_decay(0.3, 10, 0.5, 7), {0: 0.3, 7: 0.3, 17: 0.15, 27: 0.075}, 0.0, "down"),
    Case(gx.staircase_decay(0.3, 10, 0.5), {0: 0.3, 9: 0.3, 10: 0.15, 19: 0.15, 20: 0.075}, 0.0, "down"),
    Case(gx.inverse_time_decay(0.3, 0.05), {0: 0.3, 20: 0.15, 60: 0.075}, 0.0, "down"),
    Case(gx.inverse_sqrt_schedule(0.3, 16), {0: 0.0, 8: 0.15, 16: 0.3, 64: 0.15}, 0.0),
    Case(gx.nadam_momentum_schedule(0.9, 0.1), {0: 0.9 * (1 - 0.5 * 0.96**0.1), 19: 0.9 * (1 - 0.5 * 0.96**2)}, 0.9, "up"),
    Case(gx.cosine_onecycle_schedule(100, 0.3), {0: 0.012, 15: 0.156, 30: 0.3, 100: 0.012e-4}, 0.012e-4),
    Case(gx.linear_onecycle_schedule(100, 0.3), {0: 0.012, 15: 0.156, 30: 0.3, 85: 0.012, 100: 0.012e-4}, 0.012e-4),
    Case(gx.warmup_stable_decay_schedule(0.3, 10, 100, 20, 0.05), {0: 0, 5: 0.15, 10: 0.3, 80: 0.3, 90: 0.175, 100: 0.05}, 0.05),
    Case(gx.piecewise_constant_schedule((0.3, 0.2, 0.7), (10, 30)), {0: 0.3, 9: 0.3, 10: 0.2, 29: 0.2, 30: 0.7}, 0.7),
    Case(gx.join_schedules((LINEAR, 0.5, COSINE), (47, 60)), {0: 0.3, 27: 0.2, 46: 0.105, 47: 0.5, 59: 0.5, 60: 0.3, 80: 0.165}, 0.03),
    Case(gx.shifted_schedule(LINEAR, 20), {0: 0.235, 7: 0.2, 27: 0.1}, 0.1, "down"),
    Case(gx.half_life_schedule(0.5, 0.25, 40), {0: 0.5, 20: 2.0 ** (-4 / 3), 40: 0.25}, 0.25, "down"),
    Case(gx.power_schedule(0.3, 0.25), {0: 0.3, 1: 0.3, 16: 0.6, 81: 0.9}, np.nan, "up"),
    Case(gx.rms_correction_schedule(0.9), {0: 0.1**0.5, 1: 0.19**0.5}, 1.0, "up"),
    Case(gx.adam_correction_schedule(0.5, 0.9), {0: 0.1**0.5 / 0.5, 1: 0.19**0.5 / 0.75}, 1.0),
    Case(gx.kron_period_schedule(5.0, 20, 0.1), {0: 1.0, 20: 1.0, 30: np.e, 40: 5.0}, 5.0, "up"),
    Case(gx.rectification_schedule(0.9), {0: 0.0, 3: 0.0, 4: rectified(0.9, 5), 5: rectified(0.9, 6), 30: rectified(0.9, 31)}, 1.0, "up"),
    Case(gx.adafactor_decay_schedule(0.8), {0: 0.0, 31: 1 - 32**-0.8}, 1.0, "up"),
    Case(2 * LINEAR, {0: 0.6, 27: 0.4, 47: 0.2}, 0.2, "down"),
    Case(LINEAR * COSINE, {0: 0.09, 47: 0.003}, 0.003, "down"),
    Case(LINEAR + COSINE, {0: 0.6, 47: 0.13}, 0.13, "down"),
    Case(1 + LINEAR, {0: 1.3, 27: 1.2, 47: 1.1}, 1.1, "down"),
]

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.schedule))
evaluated = jax.jit(jax.vmap(lambda schedule, step: schedule(step), in_axes=(None, 0)))


def test_every_schedule_is_a_row():
    import_all()
    factories = {form.name for form in FORMS.values() if form.body.__module__.startswith(("gradtx._schedules", "gradtx._core.schedule"))}
    assert factories == {case.schedule.form.name for case in CASES}


@every_case
def test_documented_values(case):
    with jax.enable_x64(True):
        values = evaluated(case.schedule, STEPS)[np.array(list(case.values))]
        np.testing.assert_allclose(values, list(case.values.values()), rtol=1e-12, atol=1e-12)


@every_case
def test_documented_values_in_single_precision(case):
    """Cosines near their end lose relative precision, so the error is one of the schedule's size; 60 float32 roundings are plenty."""
    values = evaluated(case.schedule, STEPS)[np.array(list(case.values))]
    assert values.dtype == jnp.float32
    np.testing.assert_allclose(values, list(case.values.values()), rtol=0, atol=60 * 2.0**-24 * max(case.values.values()))


@every_case
def test_one_step_at_a_time_in_any_integer_type(case):
    every = evaluated(case.schedule, STEPS)
    for step in (0, 13, np.int64(47), jnp.int32(99), np.array([3, 90])):
        np.testing.assert_allclose(case.schedule(step), every[np.asarray(step)], rtol=1e-6, atol=1e-7)
        assert case.schedule(step).shape == np.shape(step)


@every_case
def test_the_last_representable_step(case):
    last = case.schedule(jnp.int32(END))
    assert last.dtype == jnp.float32
    assert jnp.isfinite(last)
    if not np.isnan(case.last):
        np.testing.assert_allclose(last, case.last, rtol=1e-6, atol=1e-4)


@every_case
def test_direction(case):
    with jax.enable_x64(True):
        change = np.diff(evaluated(case.schedule, STEPS))
    rises, falls = bool(np.any(change > 1e-15)), bool(np.any(change < -1e-15))
    assert (rises, falls) == {"up": (True, False), "down": (False, True), "": (rises, rises or falls)}[case.goes]


@every_case
def test_every_number_is_traceable_and_matters(case):
    """A batch in which each member has one number changed, all numbers traced, against each member alone."""
    leaves, structure = jax.tree.flatten(case.schedule)
    members = [leaves] + [[1.1 * leaf + 0.007 if k == j else leaf for j, leaf in enumerate(leaves)] for k in range(len(leaves))]
    with jax.enable_x64(True):
        batch = structure.unflatten([jnp.array(column) for column in zip(*members, strict=True)])
        together = np.asarray(jax.jit(jax.vmap(lambda schedule: jax.vmap(schedule)(STEPS)))(batch))
        for member, values in zip(members, together, strict=True):
            np.testing.assert_allclose(values, evaluated(structure.unflatten(member), STEPS), rtol=1e-12, atol=1e-15)
    for k, values in enumerate(together[1:]):
        assert np.max(np.abs(values - together[0])) > 1e-8, f"leaf {k} of {case.schedule} changes nothing"


@every_case
def test_derivatives_with_respect_to_the_numbers_are_finite(case):
    gradient = jax.grad(lambda schedule: jnp.sum(schedule(STEPS)))(case.schedule)
    assert all(np.isfinite(leaf) for leaf in jax.tree.leaves(gradient))


@every_case
def test_its_repr_makes_it_again(case):
    assert eval(repr(case.schedule), every_name()) == case.schedule


def test_restarts_are_hit_in_single_precision():
    """Each period begins at the peak and ends near the bottom, for many periods, whole factors or not."""
    for factor in (1.0, 1.5, 2.0, 3.0):
        lengths = 8 * factor ** np.arange(8)
        begins = np.concatenate([[0], np.cumsum(lengths)])
        whole = begins == np.round(begins)
        schedule = gx.sgdr_schedule(1.0, 8.0, factor)
        np.testing.assert_allclose(evaluated(schedule, begins[whole].astype(int)), 1.0, atol=1e-4)
        before = np.ceil(begins[1:]).astype(int) - 1
        assert np.all(evaluated(schedule, before) < 0.05)


def test_pieces_begin_at_their_own_step_zero():
    joined = gx.join_schedules((gx.linear_schedule(0.0, 1.0, 10), gx.linear_schedule(1.0, 0.0, 10), 0.25), (10, 20))
    expected = np.where(STEPS < 10, STEPS / 10, np.where(STEPS < 20, (20 - STEPS) / 10, 0.25))
    np.testing.assert_allclose(evaluated(joined, STEPS), expected, atol=1e-6)


def test_arithmetic_is_pointwise():
    with jax.enable_x64(True):
        a, b = evaluated(LINEAR, STEPS), evaluated(COSINE, STEPS)
        for schedule, expected in [
            (3 * LINEAR, 3 * a),
            (LINEAR * 3, 3 * a),
            (LINEAR * COSINE, a * b),
            (LINEAR + COSINE, a + b),
            (LINEAR + 0.5, a + 0.5),
            (0.5 + LINEAR, a + 0.5),
            (2 * (LINEAR + COSINE) * LINEAR, 2 * (a + b) * a),
            (gx.shifted_schedule(LINEAR + COSINE, 5), evaluated(LINEAR + COSINE, STEPS + 5)),
        ]:
            np.testing.assert_allclose(evaluated(schedule, STEPS), expected, rtol=1e-14)


def test_a_schedule_stands_for_a_number_of_another():
    """The inner schedule is evaluated at the same step as the outer one, in a piece of a join at the piece's step."""
    inner = gx.exponential_decay(1.0, 20, 0.5)
    with jax.enable_x64(True):
        nested = gx.linear_schedule(inner, 0.0, 100)
        np.testing.assert_allclose(evaluated(nested, STEPS), 0.5 ** (STEPS / 20) * np.clip(1 - STEPS / 100, 0, 1), rtol=1e-12)
        joined = gx.join_schedules((0.7, gx.linear_schedule(inner, 0.0, 100)), (30,))
        np.testing.assert_allclose(evaluated(joined, STEPS)[30:], evaluated(nested, STEPS)[:100], rtol=1e-12)


def test_an_optimizer_reads_its_schedules_at_its_step():
    tx = gx.sgd(gx.linear_schedule(0.1, 0.3, 2), gx.ema(gx.piecewise_constant_schedule((0.0, 0.5), (1,))))
    state = tx.init(jnp.zeros(()))
    steps = []
    for gradient in (1.0, 3.0, -2.0):
        update, state = tx.update(jnp.float32(gradient), state)
        steps.append(float(update))
    np.testing.assert_allclose(steps, [-0.1 * 1.0, -0.2 * 2.0, -0.3 * 0.0], atol=1e-7)


def test_the_step_count_saturates():
    tx = gx.sgd(gx.inverse_sqrt_schedule(0.3, 16))
    state = {**tx.init(jnp.zeros(())), "step": jnp.int32(END - 1)}
    for _ in range(3):
        update, state = tx.update(jnp.float32(1.0), state)
        assert np.isfinite(update)
        assert update < 0
    assert state["step"] == END


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: gx.linear_schedule(0.1, 0.0, 0), ValueError, "linear_schedule: transition_steps must be finite and above 0, got 0"),
        (lambda: gx.linear_schedule(np.nan, 0.0, 10), ValueError, "linear_schedule: init_value must be finite, got nan"),
        (lambda: gx.cosine_decay_schedule(0.1, 10, 1.5), ValueError, r"cosine_decay_schedule: alpha must be in \[0, 1\], got 1.5"),
        (lambda: gx.inverse_time_decay(0.1, -1.0), ValueError, "inverse_time_decay: decay_rate must be finite and at least 0, got -1.0"),
        (lambda: gx.linear_schedule("0.1", 0.0, 10), TypeError, "linear_schedule: init_value must be a number.*without quotes"),
        (
            lambda: gx.sgd(lambda step: 0.1),
            TypeError,
            "sgd: learning_rate must be a number, an array or a schedule.*decorate your own with @schedule",
        ),
        (
            lambda: gx.sgd(gx.linear_schedule),
            TypeError,
            r"linear_schedule is a factory: call it with its arguments, linear_schedule\(...\)",
        ),
        (lambda: gx.linear_schedule(0.1, 0.0, step=10), TypeError, r"linear_schedule has no argument 'step'"),
        (lambda: gx.join_schedules((0.1, 0.2), (1, 2)), ValueError, "join_schedules: 2 schedules need 1 boundaries between them, got 2"),
        (
            lambda: gx.piecewise_constant_schedule((0.1, 0.2), ()),
            ValueError,
            "piecewise_constant_schedule: 2 values need 1 boundaries between",
        ),
    ],
)
def test_errors(make, error, text):
    with pytest.raises(error, match=text):
        make()


def test_a_batch_of_schedules_needs_vmap():
    batch = gx.linear_schedule(jnp.array([0.1, 0.2]), 0.0, 10)
    with pytest.raises(ValueError, match=r"init_value .* must be a scalar.*vmap"):
        batch(0)
    values = jax.vmap(lambda initial: batch.replace(init_value=initial)(5))(batch.init_value)
    np.testing.assert_allclose(values, [0.05, 0.1])


def cycles_in_float64(period, factor, last):
    """Where the cycles up to the step `last` begin, each as a step, and their lengths, by adding one to the other.

    The numbers are those that float32 holds; a begin within a float32 ulp of a step is at it.
    """
    period, factor = float(np.float32(period)), float(np.float32(factor))
    begins, lengths = [0.0], [period]
    while begins[-1] <= last:
        begins.append(begins[-1] + lengths[-1])
        lengths.append(lengths[-1] * factor)
    begins, steps = np.array(begins), np.round(begins)
    is_step = np.abs(begins - steps) <= 2.0**-23 * steps
    return np.where(is_step, steps, begins), np.array(lengths)


@pytest.mark.parametrize("period", [3.0, 7.5, 10.0, 33.3, 100.0, 1000.0, 1000 / 3, 12345.0, 1e5])
@pytest.mark.parametrize("factor", [1.0, 1 + 1e-4, 1 + 2.0**-10, 1.001, 1.01, 1.1, 1.25, 1.3, 1.5, 2.0, 2.5, 3.0, 4.0])
def test_restarts_are_at_the_steps_where_float64_puts_them(period, factor):
    """Every restart up to step 2²⁰, and every value at it and just before."""
    begins, lengths = cycles_in_float64(period, factor, min(2**20, 2000 * period))
    cycle = np.arange(1, len(begins) - 1)
    restarts = np.ceil(begins[cycle]).astype(int)
    schedule = gx.sgdr_schedule(1.0, period, factor)
    for steps, within in ((restarts, cycle), (restarts - 1, cycle - 1)):
        expected = 0.5 * (1 + np.cos(np.pi * (steps - begins[within]) / lengths[within]))
        np.testing.assert_allclose(evaluated(schedule, steps), expected, atol=1e-5)


def test_restarts_of_single_steps():
    """From period 1 to 4 with a factor so near 1 that only the count of cycles tells where they are."""
    for period, factor in ((1.0, 1 + 1e-4), (1.0, 1.0), (2.0, 1 + 1e-3), (4.0, 1 + 2.0**-20)):
        begins, lengths = cycles_in_float64(period, factor, 2**14)
        steps = np.arange(2**14)
        cycle = np.searchsorted(begins, steps, side="right") - 1
        expected = 0.5 * (1 + np.cos(np.pi * np.clip((steps - begins[cycle]) / lengths[cycle], 0, 1)))
        np.testing.assert_allclose(evaluated(gx.sgdr_schedule(1.0, period, factor), steps), expected, atol=1e-4)


def test_restarts_in_double_precision():
    with jax.enable_x64(True):
        begins, lengths = [0.0], [1000.0]
        while begins[-1] < 1e6:
            begins.append(begins[-1] + lengths[-1])
            lengths.append(1.001 * lengths[-1])
        steps = np.ceil(np.array(begins) - 1e-9).astype(int)
        values = evaluated(gx.sgdr_schedule(1.0, 1000, 1.001), np.stack([steps, steps - 1])[:, 1:])
        expected = 0.5 * (1 + np.cos(np.pi * (steps - begins) / lengths))
        np.testing.assert_allclose(values[0], expected[1:], rtol=1e-9)
        assert np.all(values[1] < 1e-5)


def test_derivatives_of_restarts_are_those_of_the_formula():
    """In cycle 3: begin p (1 + f + f²), length p f³."""

    def by_hand(period, factor):
        passed = (50.3 - period * (1 + factor + factor**2)) / (period * factor**3)
        return 0.5 * (1 + jnp.cos(jnp.pi * passed))

    for numbers in ((10.0, 1.5), (16.0, 1.0)):
        with jax.enable_x64(True):
            expected = jax.grad(by_hand, argnums=(0, 1))(*numbers)
        found = jax.grad(lambda *numbers: gx.sgdr_schedule(1.0, *numbers)(50.3), argnums=(0, 1))(*numbers)
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_restarts_of_a_factor_near_one():
    """1000, 2001, 3003.001: the second is a whole step though 1.001 in float32 is above 1.001."""
    values = evaluated(gx.sgdr_schedule(1.0, 1000, 1.001), np.array([999, 1000, 2000, 2001, 3003, 3004]))
    np.testing.assert_allclose(values, [0, 1, 0, 1, 0, 1], atol=1e-4)


JUMPS = {
    "linear": (gx.linear_schedule, (0.3, 0.1, 0.0, 7.0), {6: 0.3, 7: 0.1, 50: 0.1}),
    "polynomial": (gx.polynomial_schedule, (0.3, 0.1, 2.0, 0.0, 7.0), {6: 0.3, 7: 0.1, 50: 0.1}),
    "cosine": (gx.cosine_decay_schedule, (0.3, 0.0, 0.1), {0: 0.03, 9: 0.03}),
    "cosine after warmup": (gx.warmup_cosine_decay_schedule, (0.0, 1.0, 100.0, 100.0), {50: 0.5, 99: 0.99, 100: 0.0, 200: 0.0}),
    "no warmup": (gx.warmup_cosine_decay_schedule, (0.0, 1.0, 0.0, 100.0), {0: 1.0, 50: 0.5, 100: 0.0}),
    "stable": (gx.warmup_stable_decay_schedule, (0.3, 0.0, 100.0, 0.0, 0.05), {0: 0.3, 99: 0.3, 100: 0.05}),
    "cosine one-cycle up": (gx.cosine_onecycle_schedule, (100.0, 0.3, 0.0), {0: 0.3, 50: 0.15, 100: 0.0}),
    "cosine one-cycle down": (gx.cosine_onecycle_schedule, (100.0, 0.3, 1.0), {0: 0.012, 50: 0.156, 100: 0.0}),
    "linear one-cycle up": (gx.linear_onecycle_schedule, (100.0, 0.3, 0.0, 0.8), {0: 0.3, 40: 0.156, 80: 0.012, 100: 0.0}),
    "linear one-cycle top": (gx.linear_onecycle_schedule, (100.0, 0.3, 0.5, 0.5), {25: 0.156, 50: 0.012, 75: 0.006, 100: 0.0}),
    "linear one-cycle fade": (gx.linear_onecycle_schedule, (100.0, 0.3, 0.5, 1.0), {50: 0.3, 75: 0.156, 99: 0.01776, 100: 0.0}),
    "inverse root": (gx.inverse_sqrt_schedule, (0.3, 0.0), {0: 0.0, 5: 0.0}),
}


@pytest.mark.parametrize("name", JUMPS)
def test_a_stretch_of_no_length_is_a_jump(name):
    """Most lengths of zero are refused where they are known, so the numbers are traced here."""
    factory, numbers, values = JUMPS[name]
    steps = np.array(list(values))
    there = jax.jit(lambda numbers: jax.vmap(factory(*numbers))(steps))(numbers)
    np.testing.assert_allclose(there, list(values.values()), rtol=0, atol=2e-6)
    gradient = jax.jit(jax.grad(lambda numbers: jnp.sum(jax.vmap(factory(*numbers))(STEPS))))(numbers)
    assert all(np.isfinite(leaf) for leaf in jax.tree.leaves(gradient))


@pytest.mark.parametrize("end", [1e-6, 3e-11, 1.0, 0.0, -2.0])
def test_a_line_meets_both_ends_exactly(end):
    """A last value far below the first is not lost in the rounding of the first."""
    last = np.float32(end)
    for schedule in (
        gx.linear_schedule(1.0, end, 100),
        gx.warmup_stable_decay_schedule(1.0, 10, 100, 30, end),
        gx.linear_schedule(gx.constant_schedule(1.0), gx.constant_schedule(end), 100),
        gx.warmup_cosine_decay_schedule(0.0, 1.0, 10, 100, end),
    ):
        assert np.all(evaluated(schedule, np.array([100, 101, END])) == last)
    assert gx.linear_schedule(end, 1.0, 100)(0) == last
    assert np.all(evaluated(gx.linear_schedule(end, end, 7), STEPS) == last)


def test_a_cosine_is_exact_to_rounding_near_its_end():
    steps = np.array([900, 990, 999])
    np.testing.assert_allclose(evaluated(gx.cosine_decay_schedule(0.3, 1000), steps), 0.15 * (1 + np.cos(np.pi * steps / 1000)), rtol=2e-4)


@every_case
def test_strict_promotion_finds_nothing(case):
    expected = evaluated(case.schedule, STEPS)
    with jax.numpy_dtype_promotion("strict"):
        np.testing.assert_array_equal(
            jax.jit(jax.vmap(lambda schedule, step: schedule(step), in_axes=(None, 0)))(case.schedule, STEPS), expected
        )
        tx = gx.sgd(case.schedule)
        tx.update(jnp.ones(2), tx.init(jnp.ones(2)))


def test_a_jump_is_one_with_concrete_lengths_as_well():
    schedule = gx.warmup_cosine_decay_schedule(0.0, 1.0, 100, 100)
    np.testing.assert_allclose(schedule(np.array([50, 99, 100, 101])), [0.5, 0.99, 0.0, 0.0], atol=1e-6)
    assert float(gx.linear_onecycle_schedule(100, 0.3, 0.5, 1.0)(100)) == pytest.approx(0.012e-4, rel=1e-2)
    assert float(gx.warmup_cosine_decay_schedule(0.0, 1.0, 0, 100)(0)) == 1.0
    assert float(gx.warmup_stable_decay_schedule(0.3, 0, 100, 50)(0)) == pytest.approx(0.3)


MISFITS = {
    "stable decay": (
        lambda x: gx.warmup_stable_decay_schedule(0.3, 60.0, x, 50.0),
        100.0,
        110.0,
        "warmup_stable_decay_schedule: warmup_steps=60.0 and decay_steps=50.0 do not fit into total_steps=100.0",
    ),
    "cosine": (
        lambda x: gx.warmup_cosine_decay_schedule(0.0, 0.3, x, 20.0),
        30.0,
        20.0,
        "warmup_cosine_decay_schedule: decay_steps=20.0 must be at least warmup_steps=30.0: it counts from the beginning",
    ),
    "one-cycle": (
        lambda x: gx.linear_onecycle_schedule(100, 0.3, x, 0.4),
        0.5,
        0.4,
        "linear_onecycle_schedule: pct_final=0.4 must be at least pct_start=0.5: both count from the beginning",
    ),
    "joined": (
        lambda x: gx.join_schedules((0.1, LINEAR, 0.3), (20, x)),
        10.0,
        20.0,
        "join_schedules: boundaries must not fall, and boundaries[1]=10.0 comes after boundaries[0]=20.0",
    ),
    "piecewise": (
        lambda x: gx.piecewise_constant_schedule((0.1, 0.2, 0.3), (20, x)),
        10.0,
        20.0,
        "piecewise_constant_schedule: boundaries must not fall, and boundaries[1]=10.0 comes after boundaries[0]=20.0",
    ),
    "restarts": (lambda x: gx.sgdr_schedule(0.3, 10, x), 0.5, 1.0, "sgdr_schedule: period_factor=0.5 must be at least 1"),
}


@pytest.mark.parametrize("name", MISFITS)
def test_arguments_that_do_not_fit_each_other_are_refused_where_they_are_known(name):
    make, wrong, right, message = MISFITS[name]
    for number in (wrong, jnp.float32(wrong), np.array(wrong)):
        with pytest.raises(ValueError, match=re.escape(message)):
            make(number)
    with pytest.raises(ValueError, match=re.escape(message.split("=")[0])):
        make(jnp.array([right, wrong]))
    for number in (right, jnp.array([right, right]), gx.constant_schedule(wrong)):
        assert make(number).form
    assert np.isfinite(jax.jit(lambda x: make(x)(25))(wrong))
    assert np.isfinite(make(gx.constant_schedule(wrong))(25))


def test_lengths_that_fill_the_total_but_for_rounding_fit():
    assert gx.warmup_stable_decay_schedule(0.3, 0.1 * 3, 0.3 * 3, 0.2 * 3).form
    assert gx.warmup_stable_decay_schedule(0.3, jnp.float32(0.1) * 3, jnp.float32(0.9), jnp.float32(0.2) * 3).form


def test_counts_are_checked_where_numbers_are_traced():
    with pytest.raises(ValueError, match="join_schedules: 2 schedules need 1 boundaries between them, got 2"):
        jax.jit(lambda x: gx.join_schedules((0.1, x), (x, 3))(0))(1.0)


def test_batches_for_a_grid_meet_in_no_check():
    schedule = gx.warmup_cosine_decay_schedule(0.0, 1.0, jnp.array([1.0, 30.0]), jnp.array([20.0, 40.0, 60.0]))
    assert schedule.decay_steps.shape == (3,)


def test_a_check_of_your_own():
    def ordered(low, high):
        if np.any(low > high):
            raise ValueError(f"low={low} is above high={high}.")

    @gx.schedule(check=ordered)
    def saw_schedule(period: gx.Positive, low: gx.Number = 0.0, *, high: gx.Number = 1.0):
        return lambda time: low + (high - low) * (time / period % 1)

    np.testing.assert_allclose(saw_schedule(10, high=2.0)(5), 1.0)
    with pytest.raises(ValueError, match=r"saw_schedule: low=3.0 is above high=1.0"):
        saw_schedule(10, 3.0)
    with pytest.raises(ValueError, match=r"saw_schedule: low=3.0 is above high=2.0"):
        saw_schedule(10, 1.0, high=2.0).replace(low=3.0)
    with pytest.raises(TypeError, match=r"misspelt_schedule: its check looks at 'lwo' \(did you mean 'low'\?\), which is no argument"):

        @gx.schedule(check=lambda lwo: None)
        def misspelt_schedule(low: gx.Number):
            return lambda time: low


@pytest.mark.parametrize("factor", [1.0, 1 + 1e-4, 1.5, 4.0, 1e3, 1e6])
def test_derivatives_by_the_factor_of_the_restarts_are_finite(factor):
    steps = np.array([0, 9, 10, 11, 1000, 10**6, END])
    gradient = jax.grad(lambda schedule: jnp.sum(schedule(steps)))(gx.sgdr_schedule(0.3, 10.0, factor))
    assert all(np.isfinite(leaf) for leaf in jax.tree.leaves(gradient))


def test_differences_and_quotients_are_pointwise():
    line, wave = gx.linear_schedule(1.0, 0.0, 10), gx.cosine_decay_schedule(0.5, 8)
    steps = jnp.arange(12)
    for made, expected in (
        (-line, -line(steps)),
        (line - wave, line(steps) - wave(steps)),
        (line - 0.25, line(steps) - 0.25),
        (1 - line, 1 - line(steps)),
        (line / 4, line(steps) / 4),
        (line / jnp.float32(4.0), line(steps) / 4),
    ):
        assert isinstance(made, gx.Schedule)
        np.testing.assert_allclose(made(steps), expected, rtol=1e-6, atol=1e-7)
        assert gx.from_spec(gx.to_spec(made)) == made
    with pytest.raises(TypeError, match="unsupported operand"):
        line / wave


@pytest.mark.parametrize(("peak", "factor"), [(1.0, 25.0), (1.0, 1e8), (3e-4, 1e6)])
def test_one_cycle_begins_at_its_first_value_exactly(peak, factor):
    for schedule in (gx.cosine_onecycle_schedule, gx.linear_onecycle_schedule):
        rising = schedule(100, peak, div_factor=factor)
        np.testing.assert_allclose(rising(0), peak / factor, rtol=2e-7)
        np.testing.assert_allclose(rising(30), peak, rtol=2e-7)


def test_rectification_waits_for_four_steps_and_for_ever_where_the_average_is_short() -> None:
    late = jax.vmap(gx.rectification_schedule(0.999))(jnp.arange(6))
    assert late[:4].tolist() == [0.0] * 4
    assert 0 < late[4] < late[5]
    assert not np.any(jax.vmap(gx.rectification_schedule(0.6))(jnp.arange(1000)))
    assert not np.any(jax.vmap(gx.rectification_schedule(0.3))(jnp.arange(1000)))
