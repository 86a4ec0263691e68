"""Momentum that is divided by how far steps have been from it."""

from typing import Any

from gradtx._core.numerics import bounded, squared_distance
from gradtx._core.rooted import divided_by_root
from gradtx._core.transformation import Moment, transformation
from gradtx._core.types import Positive, PyTree


@transformation(averages=True)
def scale_by_confidence(moment: Moment, instability: Moment, eps_root: Positive) -> Any:
    """Average the updates and divide by the root of what averaging changed: u ← m / √(instability((u − m)²) + eps_root), m = moment(u).

    Where steps agree with their average they grow, where they do not they shrink. Steps that never change leave nothing to divide by
    but `eps_root`: the statistic should be shared by many elements, `stored(ema(0.9999), rank_one())`. It is CAME's second
    stage, behind steps whose root mean square is clipped. (Luo et al. 2023, arXiv 2307.02047, algorithm 2.)
    """
    of_squares = instability.nonnegative()

    def init(params: PyTree) -> Any:
        return {"momentum": moment.init(params), "instability": of_squares.init(params)}

    def update(updates: PyTree, state: Any) -> Any:
        updates = bounded(updates)
        mean, of_mean = moment.update(updates, state["momentum"])
        change, of_change = of_squares.update(squared_distance(updates, mean), state["instability"])
        scaled = divided_by_root(mean, change, eps=None, eps_root=eps_root, floor=None, exponent=None)
        return scaled, {"momentum": of_mean, "instability": of_change}

    return init, update
