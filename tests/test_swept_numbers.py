"""What the laws take for a number and vary, and what they say of one that cannot be traced."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradtx as gx
from gradtx.testing import LAWS, Case, check
from tests.mannered import stateless

SWEEPING = [law.name for law in LAWS.values() if law.function.__module__.endswith("sweeping")]


def warming(learning_rate, warmup, power: int = 1, name: str = "", nesterov: bool = False):
    """Another library's factory: `warmup` may be a tracer, `power` says how often a loop runs."""

    def rule(g):
        for _ in range(power):
            g = g / jnp.maximum(warmup, 1)
        return -learning_rate * g

    return stateless(rule)


def repeating(learning_rate, times):
    def rule(g):
        for _ in range(times):
            g = 0.9 * g
        return -learning_rate * g

    return stateless(rule)


@gx.transformation
def scale_by_larger(one: gx.Number, other: gx.Number):
    """A factory of gradtx that compares its numbers in Python."""
    larger = one if one > other else other
    return gx.stateless(lambda updates: jax.tree.map(lambda u: larger * u, updates))


def outcomes(case):
    return {verdict.law.name: verdict.outcome for verdict in check(case, laws=SWEEPING)}


def test_integers_are_numbers_unless_they_are_annotated_as_int():
    arguments = {"learning_rate": 0.1, "warmup": 3, "power": 2, "name": "x", "nesterov": True}
    assert Case(warming, arguments).numbers == {"learning_rate": 0.1, "warmup": 3}
    assert Case(warming, {"learning_rate": np.float32(0.1), "warmup": jnp.int32(3)}).numbers == {
        "learning_rate": np.float32(0.1),
        "warmup": jnp.int32(3),
    }


def test_factories_of_gradtx_say_which_arguments_are_numbers():
    numbers = Case(gx.sophia, {"learning_rate": 1, "key": 7, "gamma": 100, "every": 2}).numbers
    assert numbers == {"learning_rate": 1, "key": 7, "gamma": 100}


def test_other_numbers_differ_in_one_each():
    members = list(Case(warming, {"learning_rate": 1.0, "warmup": 3, "power": 2}).other_numbers())
    assert [(member["learning_rate"], member["warmup"]) for member in members] == [
        (1.0, 3),
        (0.97, 3),
        (0.9, 3),
        (1.0, 3),
        (1.0, 4),
        (1.0, 5),
    ]


def test_keys_are_varied_as_keys():
    members = list(Case(gx.add_noise(0.1, 0.55, jax.random.key(7))).other_numbers())
    keys = {jax.random.key_data(member["key"]).tobytes() for member in members}
    assert len(keys) == 3
    assert check(gx.add_noise(0.1, 0.55, jax.random.key(7)), laws=SWEEPING)


def test_integers_are_held_to_the_laws():
    kept = outcomes(Case(warming, {"learning_rate": 0.1, "warmup": 3}))
    assert kept["vmap_over_every_number_equals_a_loop"] == kept["new_numbers_compile_nothing"] == "kept"
    assert kept["every_number_can_be_traced"] == "kept"


@pytest.mark.parametrize("times", [3, jnp.int32(3)])
def test_a_number_that_cannot_be_traced_breaks_one_law_by_its_name(times):
    report = check(Case(repeating, {"learning_rate": 0.1, "times": times}), laws=SWEEPING)
    (broken,) = report.broken
    assert (broken.law.name, broken.leaf) == ("every_number_can_be_traced", "times")
    assert "TracerIntegerConversionError" in broken.seen
    assert report.count("kept") == 3


def test_values_of_gradtx_are_told_so_too():
    report = check(gx.chain(gx.scale(2.0), scale_by_larger(2.0, 1.0)), laws=SWEEPING)
    (broken,) = report.broken
    assert (broken.law.name, broken.leaf) == ("every_number_can_be_traced", "transformations/1/one, transformations/1/other")


def test_what_cannot_be_traced_at_all_is_no_matter_of_its_numbers():
    def branching(learning_rate):
        return stateless(lambda g: -learning_rate * g if jnp.all(g < 1) else g)

    found = outcomes(Case(branching, {"learning_rate": 0.1}))
    assert set(found.values()) == {"not applicable"}
    assert check(Case(branching, {"learning_rate": 0.1}), laws=["jit_equals_eager"]).broken
