"""What a hyperparameter may be when it is drawn: a function from a number in [0, 1) to its value."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class Distribution:
    """A distribution by its quantiles: `at(u)` is the value below which the share u of the draws lies.

    Make one of your own with a function of a float in [0, 1): `Distribution(lambda u: 10.0 * u**2)`.
    """

    at: Callable[[float], Any]


def uniform(low: float, high: float) -> Distribution:
    """Evenly between `low` and `high`: low + u (high − low)."""
    _check("uniform", low, high)
    return Distribution(lambda u: low + u * (high - low))


def log_uniform(low: float, high: float) -> Distribution:
    """Evenly in the logarithm between `low` and `high`, both above 0: low (high / low)^u. For learning rates, decays of weights, eps."""
    _check("log_uniform", low, high)
    if low <= 0:
        raise ValueError(f"log_uniform: low must be above 0, for it has a logarithm; got {low}. Write uniform({low}, {high}).")
    return Distribution(lambda u: low * (high / low) ** u)


def one_minus_log_uniform(low: float, high: float) -> Distribution:
    """One minus a log-uniform number, between `low` and `high`, both below 1: for decays, where 0.9 to 0.99 is as far as 0.99 to 0.999."""
    _check("one_minus_log_uniform", low, high)
    if high >= 1:
        raise ValueError(
            f"one_minus_log_uniform: high must be below 1, for 1 − high has a logarithm; got {high}. "
            "Both ends are those of the number itself: one_minus_log_uniform(0.9, 0.999)."
        )
    return Distribution(lambda u: 1 - (1 - low) * ((1 - high) / (1 - low)) ** u)


def choice(values: Sequence[Any]) -> Distribution:
    """One of `values`, each as often as the others. They may be anything that the factory takes, if the structure stays the same."""
    options = list(values)
    if not options:
        raise ValueError("choice: there is nothing to choose from; give at least one value.")
    return Distribution(lambda u: options[int(u * len(options))])


def _check(name: str, low: float, high: float) -> None:
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"{name}: low must be below high, both finite; got {low} and {high}.")
