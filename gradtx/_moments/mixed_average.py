"""Two statistics of the same input, added with weights."""

from typing import Any

from gradtx._core.numerics import weighted_sum
from gradtx._core.transformation import Moment, transformation
from gradtx._core.types import NonNegative, PyTree


@transformation(averages=True)
def mixed_average(fast: Moment, slow: Moment, alpha: NonNegative) -> Any:
    """The sum of two statistics: fast(x) + α slow(x).

    With a corrected `ema` and a slow `ema` it is AdEMAMix's numerator, with a `trace` and `identity()` that of its
    simplified form. (Pagliardini et al. 2024, equation 1; Morwani et al. 2025.)
    """

    def init(params: PyTree) -> Any:
        return {"fast": fast.init(params), "slow": slow.init(params)}

    def update(updates: PyTree, state: Any) -> Any:
        quick, of_fast = fast.update(updates, state["fast"])
        lasting, of_slow = slow.update(updates, state["slow"])
        value = weighted_sum(quick, lasting, of_x=1.0, of_y=alpha)
        return value, {"fast": of_fast, "slow": of_slow}, {"average": value}

    return init, update
