"""Reading a moment with look-ahead."""

from typing import Any

from gradtx._core.transformation import Moment, transformation
from gradtx._core.types import PyTree


@transformation(averages=True)
def nesterov(moment: Moment) -> Any:
    """The moment as it would be if the same input came once more.

    For `trace(ρ)` that is ρ v + x, for `ema(β)` it is β m + (1 − β) x: Nesterov's method in shifted variables, the
    gradient taken at the point that momentum is about to reach. (Nesterov 1983; Sutskever et al. 2013.)
    """

    def init(params: PyTree) -> Any:
        return moment.init(params)

    def update(updates: PyTree, state: Any) -> Any:
        _, state = moment.update(updates, state)
        ahead, _ = moment.update(updates, state)
        return ahead, state

    return init, update
