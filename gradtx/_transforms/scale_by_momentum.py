"""The part that averages the updates."""

from typing import Any

from gradtx._core.flow import moment_averages
from gradtx._core.transformation import Moment, transformation
from gradtx._core.types import PyTree


@transformation(averages=moment_averages)
def scale_by_momentum(moment: Moment) -> Any:
    """Replace the updates by a running statistic of them: u ← moment(u).

    The gradient behind the updates freezes here: later parts still see what this one was given as `gradient`. The
    moment says which momentum it is: `trace(0.9)`, `ema(0.9)`, `nesterov(trace(0.9))`, `bias_correction(ema(0.9))`.
    """

    def update(updates: PyTree, state: Any) -> Any:
        return moment.update(updates, state)

    return moment.init, update
