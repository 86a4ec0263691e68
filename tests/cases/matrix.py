"""A row for every factory that is made for matrices."""

from typing import Any

import jax.numpy as jnp

import gradtx as gx
from gradtx.testing import Case
from tests.cases.exemptions import by_shape, draws, functions, whole_leaf

WHOLE_MATRIX = "it multiplies whole matrices, which every device needs"
SORTED = "it finds the largest elements of a leaf by sorting it whole"
MATRICES = {"w": jnp.array([[0.5, -1.0, 2.0], [1.5, 0.3, -0.7], [-0.2, 0.9, 0.4], [0.1, -0.6, 1.2]])}


def is_matrix(path: str, leaf: Any) -> bool:
    return leaf.ndim == 2


def on_matrices(*laws: str) -> dict[str, str]:
    """What an optimizer is exempt from that treats matrices as such and chooses them by a function."""
    return functions("repr_is_the_call") | whole_leaf() | by_shape() | dict.fromkeys(("no_leaf_is_gathered", *laws), WHOLE_MATRIX)


def drawn_on_matrices() -> dict[str, str]:
    """The same where random numbers are drawn: layers that draw their own are not compared."""
    return functions("repr_is_the_call") | whole_leaf() | {"no_leaf_is_gathered": WHOLE_MATRIX} | draws()


CLASSICAL = ((2.0, -1.5, 0.5),) * 3

CASES = [
    Case(gx.orthogonalize(), params=MATRICES, survives="all"),
    Case(gx.orthogonalize("aol"), name="orthogonalize by aol", params=MATRICES, survives="all"),
    Case(gx.orthogonalize_by(CLASSICAL), params=MATRICES, survives="all"),
    Case(gx.scale_by_aspect_ratio(), params=MATRICES, survives="all"),
    Case(gx.scale_by_larger_side(), params=MATRICES, survives="all"),
    Case(gx.scale_by_tall_aspect_ratio(), params=MATRICES, survives="all"),
    Case(gx.scale_by_inputs(), params=MATRICES, survives="all"),
    Case(gx.adam_elsewhere(is_matrix, gx.trace(0.9), 0.9, 0.99, 1e-3), exempt=functions("repr_is_the_call") | whole_leaf() | by_shape()),
    Case(gx.muon(0.1, is_matrix), exempt=on_matrices()),
    Case(gx.in_basis(gx.kronecker_eigenbasis(gx.ema(0.9), 2), gx.scale_by_rms(gx.ema(0.9), 1e-3)), params=MATRICES),
    Case(gx.kronecker_eigenbasis(gx.ema(0.9), 2), params=MATRICES),
    Case(gx.kronecker_eigensystem(gx.running_sum(), 2), params=MATRICES),
    # An epsilon far above rounding: where the first statistic lacks rank, v is the square of a rounding error in some directions.
    Case(gx.soap(0.1, is_matrix, eps=0.1), exempt=on_matrices()),
    Case(
        gx.in_basis(gx.kronecker_eigensystem(gx.ema(0.9), 2), gx.scale_by_eigenvalues(0.25, 1e-2)),
        name="in_basis with eigenvalues",
        params=MATRICES,
    ),
    Case(gx.shampoo(0.1, is_matrix, block=2), name="shampoo, blocks", exempt=on_matrices()),
    Case(gx.shampoo(0.1, is_matrix), exempt=on_matrices()),
    Case(gx.normalize(1e-6), survives="all", exempt=whole_leaf()),
    Case(gx.normalize_rms(1e-6), survives="all", exempt=whole_leaf()),
    Case(gx.normalize_rows(1e-6), params=MATRICES, survives="all"),
    Case(gx.normalize_columns(1e-6), params=MATRICES, survives="all"),
    Case(gx.sinkhorn(3), params=MATRICES, survives="all"),
    Case(gx.output_mean(gx.ema(0.9)), params=MATRICES),
    Case(gx.normuon(0.1, is_matrix), exempt=on_matrices()),
    Case(gx.adamuon(0.1, is_matrix), exempt=on_matrices()),
    Case(gx.sinkgd(0.1, is_matrix), exempt=on_matrices()),
    Case(gx.scion(0.1, is_matrix), exempt=on_matrices()),
    Case(gx.low_rank_basis(2, 2), params=MATRICES, survives="all"),
    Case(gx.random_basis(2, 7, 2), params=MATRICES, survives="all"),
    Case(gx.in_basis(gx.low_rank_basis(2, 2), gx.trace(0.9)), name="in_basis of low rank", params=MATRICES),
    Case(gx.scaled_in_basis(gx.random_basis(2, 7, 2), gx.trace(0.9)), params=MATRICES),
    Case(gx.galore(0.1, is_matrix, 2, every=2), exempt=on_matrices()),
    Case(gx.apollo(0.1, is_matrix, 7, 2, every=2), exempt=drawn_on_matrices()),
    Case(gx.retract_to_sphere(), survives="all", exempt=whole_leaf()),
    Case(gx.muonh(0.1, is_matrix, 0.1), exempt=on_matrices()),
    Case(gx.adamh(0.1, is_matrix, 0.1), exempt=functions("repr_is_the_call") | whole_leaf() | by_shape()),
    Case(gx.scale_by_kron(7, 2), exempt=whole_leaf() | draws() | {"no_leaf_is_gathered": WHOLE_MATRIX}),
    Case(gx.psgd_kron(0.1, 7, every=2), exempt=whole_leaf() | draws() | {"no_leaf_is_gathered": WHOLE_MATRIX}),
    Case(gx.low_rank(2, 7), params=MATRICES, survives="all"),
    Case(gx.orthonormal_low_rank(2, 7), params=MATRICES, survives="all"),
    Case(gx.scaled_sign(), survives="all", exempt=whole_leaf()),
    Case(gx.top_k(0.3), survives="all", exempt=whole_leaf() | {"no_leaf_is_gathered": SORTED}),
    Case(gx.error_feedback(gx.scaled_sign()), exempt=whole_leaf()),
    Case(gx.error_feedback(gx.orthonormal_low_rank(2, 7), 0.9), name="error_feedback with momentum", params=MATRICES),
    Case(gx.dion(0.1, is_matrix, 7), exempt=drawn_on_matrices()),
    Case(gx.in_blocks(gx.normalize(1e-6), 2), survives="all", exempt=whole_leaf() | {"no_leaf_is_gathered": WHOLE_MATRIX}),
    Case(gx.apollo(0.1, is_matrix, 7, 1, per="leaf"), name="apollo, mini", exempt=drawn_on_matrices()),
    Case(gx.kl_eigensystem(0.9, 2), params=MATRICES),
    Case(gx.kl_shampoo(0.1, is_matrix), exempt=on_matrices()),
]
