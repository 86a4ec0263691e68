"""What is certified of the methods for matrices."""

from typing import Any

import jax
import numpy as np
import optax

import gradtx as gx
from gradtx._core.random import leaf_keys
from tests.certified.certificate import LR, Certificate, Reason, paper
from tests.dialects import TINY
from tests.references import matrix, problem
from tests.references.problem import STEPS

MATRICES = "lambda path, leaf: leaf.ndim == 2"


def is_matrix(path: str, leaf: Any) -> bool:
    return leaf.ndim == 2


def optax_muon(lr: float, weight_decay: float) -> gx.GradientTransformation:
    """Both momenta read with the look-ahead of Dozat's NAdam as Optax has it."""
    orthogonal = gx.chain(gx.scale_by_momentum(gx.dozat_average(0.95, 0.95, 0.95)), gx.orthogonalize(eps=1e-8))
    matrices = gx.chain(orthogonal, gx.scale_by_larger_side(), gx.scale(0.2))
    others = gx.chain(gx.scale_by_momentum(gx.dozat_average(0.9, 0.9, 0.9)), gx.scale_by_rms(gx.bias_correction(gx.ema(0.95)), 1e-8))
    directions = gx.partition((is_matrix, matrices), (None, others))
    return gx.chain(directions, gx.add_decayed_weights(weight_decay), gx.scale_by_learning_rate(lr))


def projections(seed: int, rank: int, every: int) -> np.ndarray:
    """The random directions of `random_basis` for the matrix of the certificates, at each step."""
    with jax.enable_x64(True):
        keys = [leaf_keys(jax.random.key(seed), step // every, {"matrix": 0})["matrix"] for step in range(STEPS)]
        return np.stack([jax.random.normal(key, (3, rank), float) / rank**0.5 for key in keys])


def probes(seed: int) -> dict[tuple[int, ...], np.ndarray]:
    """The probes of `scale_by_kron` for the leaves of the certificates, at each step, by shape."""
    start, _ = problem.draws()
    with jax.enable_x64(True):
        keys = [leaf_keys(jax.random.key(seed), step, start) for step in range(STEPS)]
        return {leaf.shape: np.stack([jax.random.normal(now[name], leaf.shape, float) for now in keys]) for name, leaf in start.items()}


def first_directions(seed: int, rank: int) -> np.ndarray:
    """The directions that `orthonormal_low_rank` begins with for the matrix of the certificates."""
    with jax.enable_x64(True):
        key = leaf_keys(jax.random.key(seed), np.int32(0), {"matrix": 0})["matrix"]
        return np.asarray(jax.random.normal(key, (4, rank), float))


CERTIFICATES = [
    Certificate(
        f"muon(lr, {MATRICES})",
        paper(gx.muon(LR, is_matrix), matrix.muon, eta=LR),
        None,
        optax.contrib.muon(LR, eps=1e-8, weight_decay=0.1, adam_b2=0.95, adam_weight_decay=0.1, consistent_rms=0.2),
        None,
        {"Optax": Reason("m is read with NAdam's corrected look-ahead, AdamW's too", optax_muon(LR, 0.1))},
    ),
    Certificate(f"soap(lr, {MATRICES})", paper(gx.soap(LR, is_matrix), matrix.soap, eta=LR)),
    Certificate(f"shampoo(lr, {MATRICES})", paper(gx.shampoo(LR, is_matrix), matrix.shampoo, eta=LR)),
    Certificate(f"normuon(lr, {MATRICES})", paper(gx.normuon(LR, is_matrix), matrix.normuon, eta=LR)),
    Certificate(f"adamuon(lr, {MATRICES})", paper(gx.adamuon(LR, is_matrix), matrix.adamuon, eta=LR)),
    Certificate(f"sinkgd(lr, {MATRICES})", paper(gx.sinkgd(LR, is_matrix), matrix.sinkgd, eta=LR)),
    Certificate(f"scion(lr, {MATRICES})", paper(gx.scion(LR, is_matrix), matrix.scion, gamma=LR)),
    Certificate(f"galore(lr, {MATRICES}, 2)", paper(gx.galore(LR, is_matrix, 2), matrix.galore, eta=LR, rank=2)),
    Certificate(
        f"apollo(lr, {MATRICES}, 7, 2)",
        paper(gx.apollo(LR, is_matrix, 7, 2), matrix.apollo, eta=LR, draws=projections(7, 2, 200)),
    ),
    Certificate(f"muonh(lr, {MATRICES}, lr)", paper(gx.muonh(LR, is_matrix, LR, eps=TINY), matrix.muonh, eta=LR, eta_others=LR, eps=TINY)),
    Certificate(f"adamh(lr, {MATRICES}, lr)", paper(gx.adamh(LR, is_matrix, LR, eps=TINY), matrix.adamh, eta=LR, eta_others=LR, eps=TINY)),
    Certificate("psgd_kron(lr, 7)", paper(gx.psgd_kron(LR, 7), matrix.psgd_kron, eta=LR, draws=probes(7))),
    Certificate(f"dion(lr, {MATRICES}, 7)", paper(gx.dion(LR, is_matrix, 7), matrix.dion, eta=LR, first=first_directions(7, 1))),
    Certificate(
        f'apollo(lr, {MATRICES}, 7, 1, factor=128**0.5, per="leaf")',
        paper(
            gx.apollo(LR, is_matrix, 7, 1, factor=128**0.5, per="leaf"),
            matrix.apollo,
            eta=LR,
            draws=projections(7, 1, 200),
            alpha=128**0.5,
            mini=True,
        ),
    ),
    Certificate(f"kl_shampoo(lr, {MATRICES})", paper(gx.kl_shampoo(LR, is_matrix), matrix.kl_shampoo, eta=LR)),
]
