"""What the processes of a sweep have in common: all know every result, and the first one alone touches files."""

from typing import Any

import jax
import numpy as np


def is_first() -> bool:
    """Whether this process reads and writes the files."""
    return jax.process_index() == 0


def fetched(array: Any) -> np.ndarray:
    """A result as a NumPy array, gathered from the other processes where they hold parts of it."""
    if getattr(array, "is_fully_addressable", True):
        return np.asarray(array)
    from jax.experimental import multihost_utils

    return np.asarray(multihost_utils.process_allgather(array, tiled=True))


def from_first(tree: Any) -> Any:
    """The first process's values, of the same shapes in all of them."""
    if jax.process_count() == 1:
        return tree
    from jax.experimental import multihost_utils

    return jax.tree.map(np.asarray, multihost_utils.broadcast_one_to_all(tree))
