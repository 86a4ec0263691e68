"""A power of the eigenvalues of the basis."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.numerics import cut_off, leafwise
from gradtx._core.transformation import stateless, transformation
from gradtx._core.types import Positive, PyTree


@leafwise
def _powers(values: jax.Array, *, exponent: Any, eps: Any) -> jax.Array:
    shifted = values + eps * jnp.max(values)
    return jnp.where(shifted > 0, shifted, 1) ** -exponent


def _scaled(u: jax.Array, rows: Any, columns: Any) -> jax.Array:
    u = cut_off(u)
    u = u if rows is None else u * rows[:, None]
    return u if columns is None else u * columns[None, :]


@transformation
def scale_by_eigenvalues(exponent: Positive, eps: Positive) -> Any:
    """Divide by powers of the eigenvalues of rows and columns: u ← u / ((λᵢ + eps λ₁)ᵖ (μⱼ + eps μ₁)ᵖ), inside of `in_basis`.

    With p = ¼ it makes Shampoo's L^(−1/4) G R^(−1/4) in the basis of L and R, with ½ the variant that divides by the
    whole of both. `eps` is relative to the largest eigenvalue of a side; below it, and below the rounding of the dtype,
    eigenvalues are noise. It needs a basis that publishes them, such as `kronecker_eigensystem`. (Gupta
    et al. 2018, arXiv 1802.09568, algorithm 1.)
    """

    def apply(updates: PyTree, *, spectrum: PyTree = None) -> PyTree:
        if spectrum is None:
            raise ValueError(
                "scale_by_eigenvalues needs the eigenvalues of a basis: "
                "write in_basis(kronecker_eigensystem(...), scale_by_eigenvalues(...))."
            )
        rows, columns = (_powers(spectrum[side], exponent=exponent, eps=eps) for side in ("left", "right"))
        return jax.tree.map(lambda u, of_rows, of_columns: _scaled(u, of_rows, of_columns), updates, rows, columns)

    return stateless(apply)
