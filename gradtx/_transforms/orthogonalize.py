"""The nearest matrix with orthonormal rows or columns, by products of matrices alone."""

from collections.abc import Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from gradtx._core.matrices import check_matrices, over_norm, stacked
from gradtx._core.numerics import root
from gradtx._core.transformation import transformation
from gradtx._core.types import Numbers, Positive, PyTree

_JORDAN = (3.4445, -4.7750, 2.0315)
_TABLES: dict[str, tuple[tuple[float, float, float], ...]] = {
    "jordan": (_JORDAN,) * 5,
    "tuned": (
        (4.0848, -6.8946, 2.9270),
        (3.9505, -6.3029, 2.6377),
        (3.7418, -5.5913, 2.3037),
        (2.8769, -3.1427, 1.2046),
        (2.8366, -3.0525, 1.2012),
    ),
    "deepseek": (*(_JORDAN,) * 8, *((2.0, -1.5, 0.5),) * 2),
    "polar_express": (
        (8.156554524902461, -22.48329292557795, 15.878769915207462),
        (4.042929935166739, -2.808917465908714, 0.5000178451051316),
        (3.8916678022926607, -2.772484153217685, 0.5060648178503393),
        (3.285753657755655, -2.3681294933425376, 0.46449024233003106),
        (2.3465413258596377, -1.7097828382687081, 0.42323551169305323),
    ),
    "polar_express_8": (
        (8.2051, -22.9019, 16.4607),
        (4.0664, -2.8612, 0.5184),
        (3.9096, -2.8234, 0.5250),
        (3.2856, -2.4153, 0.4853),
        (2.2779, -1.6198, 0.3985),
        (1.8726, -1.2307, 0.3585),
        (1.8564, -1.2132, 0.3568),
        (1.8750, -1.25, 0.375),
    ),
    "aol": (
        (4.0098, -7.0585, 2.4635),
        (3.4585, -5.5479, 2.5959),
        (2.7573, -3.2939, 1.4254),
        (2.7215, -3.0494, 1.3169),
    ),
}
_FACTORS = {"polar_express": 1.02, "polar_express_8": 1.02}
"""By how much more than its norm a matrix is divided, so that rounding brings no singular value above 1."""

Precision = Literal["full", "tensorfloat32", "bfloat16"]
_WIDE = {"full": jax.lax.Precision.HIGHEST, "tensorfloat32": jax.lax.Precision.HIGH}


def _product(x: jax.Array, y: jax.Array, precision: Precision) -> jax.Array:
    if precision in _WIDE:
        return jnp.matmul(x, y, precision=_WIDE[precision])
    return jnp.matmul(x.astype(jnp.bfloat16), y.astype(jnp.bfloat16), preferred_element_type=jnp.float32).astype(x.dtype)


def _iterated(x: jax.Array, table: jax.Array, precision: Precision) -> jax.Array:
    """x ← a x + (b G + c G²) x with G = x xᵀ, once for each row (a, b, c) of the table."""

    def step(x: jax.Array, coefficients: jax.Array) -> tuple[jax.Array, None]:
        a, b, c = coefficients
        gram = _product(x, x.mT, precision)
        return a * x + _product(b * gram + c * _product(gram, gram, precision), x, precision), None

    return jax.lax.scan(step, x, table)[0]


@stacked
def _orthogonalized(x: jax.Array, *, eps: Any, table: Any, factor: Any, settings: tuple[Precision, bool]) -> jax.Array:
    precision, by_rows = settings
    x = over_norm(x, eps, factor)
    return _iterated(_almost_orthogonal(x, eps) if by_rows else x, table, precision)


def _almost_orthogonal(x: jax.Array, eps: Any) -> jax.Array:
    """Each row over the root of the sum of its products with all rows, in size: no singular value is above 1 then."""
    sums = jnp.sum(jnp.abs(_product(x, x.mT, "full")), axis=-1, keepdims=True)
    return x / (root(sums) + eps)


def _part(name: str, table: Any, eps: Any, factor: float, settings: tuple[Precision, bool], distribute: str | None) -> Any:
    def init(params: PyTree) -> None:
        check_matrices(params, name)

    def update(updates: PyTree, state: None) -> tuple[PyTree, None]:
        init(updates)
        return _orthogonalized(updates, settings, distribute, eps=eps, table=table, factor=factor), state

    return init, update


@transformation
def orthogonalize(
    coefficients: Literal["jordan", "tuned", "deepseek", "polar_express", "polar_express_8", "aol"] = "jordan",
    precision: Precision = "full",
    eps: Positive = 1e-7,
    distribute: str | None = None,
) -> Any:
    """Replace each matrix U Σ Vᵀ by about U Vᵀ, its polar factor: steepest descent in the spectral norm.

    Newton-Schulz: u / (‖u‖ + eps) through odd quintic polynomials, matrices of equal shape in one batch, on the wide side.
    Every leaf must be a matrix. The tables, and the largest error |1 − s| of the singular values s that they leave for
    those of u above 1 % (0.1 %) of ‖u‖: "jordan" 0.32 (0.53), "tuned" 0.032 (0.53) and "polar_express" 0.14 (0.15) take five
    steps; "polar_express_8" 1e-5 (1e-5) takes eight, "deepseek" 6e-4 (6e-4) ten. "aol" scales the rows first and takes
    four: it finds the factor of another matrix, near that of u where rows are nearly orthogonal (0.017 for a Gaussian one of
    shape (256, 1024)). `precision` "full" is the leaf's own, float32 or float64; "tensorfloat32" multiplies float32 with ten bits
    on a GPU that can, and with no fewer elsewhere; "bfloat16" multiplies in that, adds in float32, errs by up to 0.1 more, and took a
    fifth of the time of "full" on a GPU. `distribute` names an axis of the mesh over whose devices matrices of equal shape are shared
    out; otherwise each device does all of them. (Jordan et al. 2024; "tuned": modded-nanogpt; DeepSeek-V4; Amsel et al. 2025,
    arXiv 2505.16932; "aol": Boissin et al. 2025, arXiv 2512.04632.)
    """
    table = np.asarray(_TABLES[coefficients])
    return _part("orthogonalize", table, eps, _FACTORS.get(coefficients, 1.0), (precision, coefficients == "aol"), distribute)


@transformation
def orthogonalize_by(table: Sequence[Numbers], precision: Precision = "full", eps: Positive = 1e-7, distribute: str | None = None) -> Any:
    """`orthogonalize` by polynomials of your own: x ← a x + (b G + c G²) x with G = x xᵀ, once for each (a, b, c) of `table`.

    x starts as u / (‖u‖ + eps), whose singular values are in (0, 1]; a σ + b σ³ + c σ⁵ should bring those near 1. One row
    for each step; ((2, −1.5, 0.5),) * 8 is the classical iteration. The numbers are traced: another table of the same
    length compiles nothing. `distribute` as in `orthogonalize`.
    """
    for k, row in enumerate(table):
        if len(row) != 3:
            raise ValueError(f"orthogonalize_by: table[{k}] must be three numbers a, b, c, got {len(row)}.")
    rows = jnp.stack([jnp.stack([jnp.asarray(number, jnp.result_type(float)) for number in row]) for row in table])
    return _part("orthogonalize_by", rows, eps, 1.0, (precision, False), distribute)
