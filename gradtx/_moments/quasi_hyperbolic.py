"""A statistic mixed with its input."""

from typing import Any

from gradtx._core.numerics import weighted_sum
from gradtx._core.transformation import Moment, transformation
from gradtx._core.types import Fraction, PyTree


@transformation(averages=True)
def quasi_hyperbolic(moment: Moment, nu: Fraction) -> Any:
    """The input and a statistic of it: (1 − ν) x + ν moment(x).

    ν = 1 is the statistic alone, 0 the input, and for `ema(β)` ν = β is `nesterov`. (Ma & Yarats 2018, equation 3.)
    """

    def update(updates: PyTree, state: Any) -> Any:
        value, state = moment.update(updates, state)
        return weighted_sum(value, updates, of_x=nu, of_y=1 - nu), state

    return moment.init, update
