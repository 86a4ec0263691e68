"""Factors for orthogonal matrices that depend on their shape alone."""

from typing import Any

import jax

from gradtx._core.matrices import check_matrices
from gradtx._core.numerics import scaled
from gradtx._core.transformation import transformation
from gradtx._core.types import PyTree


def _sides(u: jax.Array, output_axis: int) -> tuple[int, int]:
    """The sizes of the output and of the input."""
    return max(u.shape[output_axis], 1), max(u.shape[1 - output_axis % 2], 1)


def _by(name: str, factor: Any) -> Any:
    def init(params: PyTree) -> None:
        check_matrices(params, name)

    def update(updates: PyTree, state: None) -> tuple[PyTree, None]:
        init(updates)
        return jax.tree.map(lambda u: scaled(u, by=factor(u)), updates), state

    return init, update


@transformation
def scale_by_larger_side() -> Any:
    """Multiply each matrix by the root of its larger side: u ← u √max(m, n). An orthogonal one then has a root mean square of 1.

    With `scale(0.2)` behind it the steps have the size of AdamW's, so that its learning rate and weight decay carry over.
    (Liu et al. 2025, arXiv 2502.16982, section 2.2.)
    """
    return _by("scale_by_larger_side", lambda u: float(max(*u.shape, 1)) ** 0.5)


@transformation
def scale_by_aspect_ratio(output_axis: int = 1) -> Any:
    """Multiply each matrix by the root of its outputs over its inputs: u ← u √(out / in). Orthogonal steps then move outputs by their size.

    `output_axis` is 1 for kernels of shape (in, out) as in Flax, 0 for (out, in). The factor of spectral scaling, with
    which learning rates carry over between widths. (Yang et al. 2023, arXiv 2310.17813; Scion; Dion.)
    """

    def factor(u: jax.Array) -> float:
        outputs, inputs = _sides(u, output_axis)
        return (outputs / inputs) ** 0.5

    return _by("scale_by_aspect_ratio", factor)


@transformation
def scale_by_tall_aspect_ratio(output_axis: int = 1) -> Any:
    """Multiply each matrix that has more outputs than inputs by the root of their ratio: u ← u √max(1, out / in).

    `output_axis` is 1 for kernels of shape (in, out) as in Flax, 0 for (out, in). Muon's first convention, to be used with
    a learning rate of about 0.02. (Jordan et al. 2024, the implementation.)
    """

    def factor(u: jax.Array) -> float:
        outputs, inputs = _sides(u, output_axis)
        return max(1.0, outputs / inputs) ** 0.5

    return _by("scale_by_tall_aspect_ratio", factor)


@transformation
def scale_by_inputs(output_axis: int = 1) -> Any:
    """Divide each matrix by the number of its inputs: u ← u / in. Steps of one size for each weight then move outputs by their size.

    `output_axis` is 1 for kernels of shape (in, out) as in Flax, 0 for (out, in). Behind `sign` it is what Scion takes for a head.
    (Pethick et al. 2025, arXiv 2502.07529, table 3.)
    """
    return _by("scale_by_inputs", lambda u: 1 / _sides(u, output_axis)[1])
