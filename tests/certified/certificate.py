"""What a certificate says."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

import gradtx as gx
from gradtx.testing._laws.values import every_name
from tests.paths import in_gradtx, on_bowl
from tests.references import bowl
from tests.references.problem import distance, follow, follow_whole

LR = 0.1
"""The learning rate of every row."""


class Paper(NamedTuple):
    """The paper's recurrence, whose docstring is the citation, the optimizer with its numbers, and how far from it an optimizer is."""

    reference: Callable[..., Iterator[Any]]
    optimizer: gx.GradientTransformation
    distance_of: Callable[[gx.GradientTransformation], float]


class Reason(NamedTuple):
    """Why a path is another one, and the chain that takes it, None where no choice of parts does."""

    words: str
    dialect: gx.GradientTransformation | None


class Certificate(NamedTuple):
    """A row: the call at its defaults, the paper, the same numbers in the other libraries, and a reason for each that departs."""

    call: str
    paper: Paper
    torch: tuple[str, dict[str, Any]] | None = None
    optax: Any = None
    keras: tuple[str, dict[str, Any]] | None = None
    reasons: dict[str, Reason] = {}  # noqa: RUF012

    @property
    def optimizer(self) -> gx.GradientTransformation:
        return eval(self.call, {**every_name(), "lr": LR})


def paper(tx: gx.GradientTransformation, reference: Callable[..., Iterator[Any]], **numbers: float) -> Paper:
    return Paper(reference, tx, lambda tx: distance(in_gradtx(tx), follow(reference, **numbers)))


def whole_paper(tx: gx.GradientTransformation, reference: Callable[..., Iterator[Any]], **numbers: float) -> Paper:
    """For a recurrence that measures all weights together."""
    return Paper(reference, tx, lambda tx: distance(in_gradtx(tx), follow_whole(reference, **numbers)))


def on_convex_loss(tx: gx.GradientTransformation, reference: Callable[..., Iterator[Any]], points: Callable[[], Iterator[Any]]) -> Paper:
    def distance_of(tx: gx.GradientTransformation) -> float:
        path = np.stack(list(points()))
        return float(np.max(np.abs(on_bowl(tx) - path)) / np.max(np.abs(path - bowl.START)))

    return Paper(reference, tx, distance_of)
