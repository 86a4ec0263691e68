"""Where a training loop gets its batches from."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradtx._core.layouts import laid_out, shared_by
from gradtx._core.types import PyTree


class Ahead:
    """Batches, of which the next is fetched where a loop asks if there is one: what the data raise comes in its turn."""

    def __init__(self, batches: Iterator[PyTree]) -> None:
        self._batches = batches
        self._fetched = list[tuple[PyTree, Exception | None]]()

    def __iter__(self) -> Iterator[PyTree]:
        while not self.ended():
            batch, error = self._fetched.pop()
            if error is not None:
                raise error
            yield batch

    def ended(self) -> bool:
        """Whether there is no further batch."""
        if not self._fetched:
            try:
                self._fetched.append((next(self._batches), None))
            except StopIteration:
                return True
            except Exception as error:
                self._fetched.append((None, error))
        return False


def batches_from(
    data: Any, batch_size: int | None, key: jax.Array, steps: int | None, epochs: int | None
) -> tuple[Callable[[int], Iterator[PyTree]], int | None]:
    """The batches from a given step on, and how many steps there are, None where only the end of the data tells."""
    if batch_size is not None:
        return _of_arrays(data, batch_size, key, steps, epochs)
    if callable(data):
        if steps is None:
            raise ValueError("fit: with data as a function of the step, write steps=...: it has no epochs.")
        return (lambda first: (data(k) for k in range(first, steps))), steps
    if not hasattr(data, "__iter__") or isinstance(data, dict) or hasattr(data, "shape"):
        raise TypeError(
            f"fit: data must be batches to iterate over, a function from the step to a batch, or arrays with batch_size=..., got "
            f"{type(data).__name__} without batch_size."
        )
    passes = epochs if epochs is not None else 1 if steps is None else None
    total = steps if steps is not None else len(data) * (passes or 0) if hasattr(data, "__len__") else None
    return (lambda first: itertools.islice(_of_iterable(data, passes), first, total)), total


def _of_iterable(data: Any, passes: int | None) -> Iterator[PyTree]:
    """All batches of so many passes (None: without end); one pass of what can be iterated over once."""
    for _ in itertools.repeat(None) if passes is None else range(passes):
        iterator = iter(data)
        empty = True
        for batch in iterator:
            empty = False
            yield batch
        if empty or iterator is data:
            return


def _rows(leaf: Any, rows: np.ndarray) -> Any:
    """Some rows of an array, on the devices that it is on."""
    return laid_out(lambda x: x[rows], shared_by(leaf, len(rows)), leaf) if isinstance(leaf, jax.Array) else leaf[rows]


def _of_arrays(
    data: PyTree, batch_size: int, key: jax.Array, steps: int | None, epochs: int | None
) -> tuple[Callable[[int], Iterator[PyTree]], int]:
    """Batches drawn from arrays without replacement, each epoch in an order of its own that depends on its number and the key alone."""
    lengths = {jnp.shape(leaf)[:1] for leaf in jax.tree.leaves(data)}
    if len(lengths) != 1 or () in lengths:
        raise ValueError(f"fit: with batch_size, the leaves of data are arrays of equal length; their lengths are {sorted(lengths)}.")
    ((examples,),) = lengths
    if batch_size > examples:
        raise ValueError(f"fit: batch_size must be between 1 and the {examples} examples of data, got {batch_size}.")
    per_epoch = examples // batch_size
    if steps is None and epochs is None:
        raise ValueError("fit: say how long to train: steps=... or epochs=....")
    total = steps if steps is not None else per_epoch * (epochs or 0)

    def batches(first: int) -> Iterator[PyTree]:
        order = np.arange(0)
        for k in range(first, total):
            epoch, place = divmod(k, per_epoch)
            if k == first or place == 0:
                order = np.asarray(jax.random.permutation(jax.random.fold_in(key, epoch), examples))
            rows = order[place * batch_size : (place + 1) * batch_size]
            yield jax.tree.map(lambda leaf, rows=rows: _rows(leaf, rows), data)

    return batches, total
