"""What is certified of optimizers that hide each example."""

from typing import Any

import jax
import numpy as np

import gradtx as gx
from tests.certified.certificate import LR, Certificate, Paper
from tests.certified.elementwise import noise
from tests.paths import on_gradients
from tests.references import privacy
from tests.references.problem import STEPS, Path, distance, draws

SIZES = np.array([0.1, 0.5, 1.0, 4.0])
"""The examples of a batch have gradients of these multiples: some are clipped, and some are not."""


def batches() -> Path:
    _, gradients = draws()
    return {leaf: np.multiply.outer(SIZES, g).swapaxes(0, 1) for leaf, g in gradients.items()}


def flat(tree: Path, axes: int) -> np.ndarray:
    return np.concatenate([leaf.reshape(*leaf.shape[:axes], -1) for leaf in (tree[name] for name in sorted(tree))], axis=axes)


def dpsgd_paper(tx: gx.GradientTransformation, **numbers: float) -> Paper:
    def distance_of(tx: Any) -> float:
        start, _ = draws()
        points = np.stack(list(privacy.dpsgd(flat(start, 0), flat(batches(), 2), flat(noise(), 1), **numbers)))
        columns = np.split(points, np.cumsum([start[leaf].size for leaf in sorted(start)])[:-1], axis=1)
        path = {leaf: column.reshape(STEPS, *start[leaf].shape) for leaf, column in zip(sorted(start), columns, strict=True)}
        with jax.enable_x64(True):
            means = jax.vmap(lambda batch: gx.per_example_clip_by_global_norm(batch, tx.max_norm))(batches())
        return distance(on_gradients(tx, means), path)

    return Paper(privacy.dpsgd, tx, distance_of)


CERTIFICATES = [
    Certificate(
        "dpsgd(lr, 20, 0.5, 4, 0)",
        dpsgd_paper(gx.dpsgd(LR, 20, 0.5, 4, 0), eta=LR, sigma=0.5, bound=20.0),
    ),
]
