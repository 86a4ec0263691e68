"""The part that divides by the root of a running second moment."""

from typing import Any, Literal

from gradtx._core.numerics import squared, squared_distance
from gradtx._core.rooted import divided_by_root
from gradtx._core.transformation import Moment, transformation
from gradtx._core.types import Positive, PyTree


def _has_epsilon(eps: Any, eps_root: Any, floor: Any) -> None:
    if eps is None and eps_root is None and floor is None:
        raise ValueError("one of eps, eps_root and floor is needed, or a zero gradient divides zero by zero; write eps=1e-8.")


@transformation(check=_has_epsilon)
def scale_by_rms(
    moment: Moment,
    eps: Positive | None = None,
    *,
    eps_root: Positive | None = None,
    floor: Positive | None = None,
    exponent: Positive | None = None,
    of: Literal["gradient", "updates", "deviation"] = "gradient",
) -> Any:
    """Divide the updates by the root of a running mean of the squared gradient: u ← u / (√moment(g²) + eps).

    The name says where epsilon goes, and a term not given costs nothing: `eps` outside the root, `eps_root` inside
    it, `floor` for max(√v, floor). One of the three is needed, or a gradient that was always zero divides zero by
    zero. `exponent` p replaces the root by vᵖ. `of` names what is squared: the gradient behind the updates, the
    updates as they come in, or the deviation of the gradient from its uncorrected average (AdaBelief). Sizes beyond 2⁵²
    (in float64 2⁵⁰⁰) count as that, above and below the line, so that one huge gradient leaves no infinity behind.
    """
    moment = moment.nonnegative()

    def divided(updates: PyTree, squares: PyTree, state: Any) -> Any:
        second, state = moment.update(squares, state)
        return divided_by_root(updates, second, eps=eps, eps_root=eps_root, floor=floor, exponent=exponent), state

    def update(updates: PyTree, state: Any, params: PyTree = None, *, gradient: PyTree) -> Any:
        return divided(updates, squared(updates if of == "updates" else gradient), state)

    def update_by_deviation(updates: PyTree, state: Any, params: PyTree = None, *, gradient: PyTree, average: PyTree) -> Any:
        return divided(updates, squared_distance(gradient, average), state)

    return moment.init, update_by_deviation if of == "deviation" else update
