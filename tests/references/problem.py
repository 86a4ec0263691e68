"""What every path of parameters here is measured on: a start, the gradients of 60 steps, and the distance of two paths."""

from typing import Any

import numpy as np

STEPS = 60
Path = dict[str, np.ndarray]


def draws() -> tuple[Path, Path]:
    """A start and the gradients of all steps. Sizes differ by leaf and element, and one gradient in ten is a burst."""
    rng = np.random.default_rng(0)
    shapes: dict[str, tuple[int, ...]] = {"matrix": (3, 4), "vector": (5,), "scalar": ()}
    start = {name: np.asarray(rng.normal(size=shape)) for name, shape in shapes.items()}
    gradients = {}
    for name, shape in shapes.items():
        size = 10.0 ** rng.uniform(-2, 1, size=shape)
        burst = np.where(rng.uniform(size=(STEPS, *shape)) < 0.1, 10, 1)
        gradients[name] = size * burst * (0.3 + rng.normal(size=(STEPS, *shape)))
    return start, gradients


def follow(reference: Any, **numbers: float) -> Path:
    """The points of a reference after every step, leaf by leaf."""
    start, gradients = draws()
    return {leaf: np.stack(list(reference(start[leaf], gradients[leaf], **numbers))) for leaf in start}


def follow_whole(reference: Any, **numbers: float) -> Path:
    """The points of a reference that measures all weights together: it runs on one vector of them."""
    start, gradients = draws()
    leaves = list(start)
    flat = np.concatenate([start[leaf].ravel() for leaf in leaves])
    rows = np.concatenate([gradients[leaf].reshape(STEPS, -1) for leaf in leaves], axis=1)
    points = np.stack(list(reference(flat, rows, **numbers)))
    columns = np.split(points, np.cumsum([start[leaf].size for leaf in leaves])[:-1], axis=1)
    return {leaf: column.reshape(STEPS, *start[leaf].shape) for leaf, column in zip(leaves, columns, strict=True)}


def distance(path: Path, reference: Path) -> float:
    """The largest difference in any leaf at any step, relative to how far the reference moves that leaf.

    Relative to the movement and not to the position, so that a start far from zero hides nothing.
    """
    start, _ = draws()
    errors = {leaf: np.max(np.abs(path[leaf] - reference[leaf])) / np.max(np.abs(reference[leaf] - start[leaf])) for leaf in start}
    return max(errors.values())
