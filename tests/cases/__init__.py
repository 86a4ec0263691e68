"""The table of cases: one row for every factory of transformations, and the problem that tests run them on."""

from gradtx.testing import Case
from tests.cases import controllers, elementwise, foundation, from_optax, layerwise, matrix, storage, wrappers
from tests.cases.training import loss, make_params, step, train

__all__ = ["CASES", "loss", "make_params", "step", "train"]

CASES: list[Case] = [
    *foundation.CASES,
    *controllers.CASES,
    *elementwise.CASES,
    *from_optax.CASES,
    *layerwise.CASES,
    *matrix.CASES,
    *storage.CASES,
    *wrappers.CASES,
]
