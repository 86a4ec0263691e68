"""A slot of a state, a tree like the parameters, in code."""

import dataclasses
from typing import Any, final

import jax
import jax.numpy as jnp

from gradtx._core.random import leaf_key
from gradtx._core.types import PyTree
from gradtx._storage.codec import Coding


@final
class Slot:
    """How a slot is kept, as it is where there is no coding. `path`, its place in the state, goes into the random bits."""

    def __init__(self, coding: Coding | Any, *path: str) -> None:
        self.coding = coding
        self.path = tuple(map(jax.tree_util.DictKey, path))

    @staticmethod
    def once(coding: Any) -> Any:
        """The coding for one step: what is read as stored is encoded once, for reading and for keeping.

        A compiler joins two equal sums, but not the two sums over devices.
        """
        if coding is None or not coding.read_back:
            return coding
        seen = dict[int, tuple[jax.Array, dict[str, jax.Array]]]()

        def encode(x: jax.Array, key: Any) -> dict[str, jax.Array]:
            if id(x) not in seen:
                seen[id(x)] = x, coding.encode(x, key)
            return seen[id(x)][1]

        return dataclasses.replace(coding, encode=encode)

    def begun(self, slot: PyTree) -> PyTree:
        """What is kept before the first step. A compiler that saw the zeros would encode them, number by number, while it compiles."""
        return slot if self.coding is None else self.encoded(jax.lax.optimization_barrier(slot), jnp.zeros((), jnp.int32))

    def encoded(self, slot: PyTree, step: jax.Array) -> PyTree:
        """What is kept of it: for each part of the code a tree like the slot; leaves that do not fit lie in `wide`."""
        if self.coding is None:
            return slot
        now = None if self.coding.key is None else jax.random.fold_in(self.coding.key, step)
        leaves, structure = jax.tree_util.tree_flatten_with_path(slot)
        parts = [self._parts(leaf, None if now is None else leaf_key(now, (*self.path, *place))) for place, leaf in leaves]
        names = dict.fromkeys(name for part in parts for name in part)
        return {name: structure.unflatten([part.get(name) for part in parts]) for name in names}

    def _parts(self, leaf: jax.Array, key: Any) -> dict[str, jax.Array]:
        return self.coding.encode(leaf, key) if self.coding.fits(leaf.shape) else {"wide": leaf}

    def decoded(self, kept: PyTree, like: PyTree) -> PyTree:
        """The slot that was kept, in the shapes and dtypes of `like`."""
        if self.coding is None:
            return kept
        leaves, structure = jax.tree.flatten(like)
        columns = {name: structure.flatten_up_to(tree) for name, tree in kept.items()}
        rows = [{name: column[k] for name, column in columns.items() if column[k] is not None} for k in range(len(leaves))]
        return structure.unflatten([self._leaf(row, leaf) for row, leaf in zip(rows, leaves, strict=True)])

    def _leaf(self, parts: dict[str, jax.Array], like: Any) -> jax.Array:
        return parts["wide"] if "wide" in parts else self.coding.decode(parts, jax.ShapeDtypeStruct(like.shape, like.dtype))

    def read(self, value: PyTree) -> PyTree:
        """The statistic that a method uses: `value`, or what would be decoded from it where the codec says so."""
        if self.coding is None or not self.coding.read_back:
            return value
        return jax.tree.map(lambda x: self._leaf(self._parts(x, None), x), value)
