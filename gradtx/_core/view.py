"""How a leaf is seen by a rule for one layer."""

import dataclasses

import jax
import jax.numpy as jnp

from gradtx._core.layouts import every_layer, placed, whole


@dataclasses.dataclass(frozen=True)
class View:
    """The axes of a leaf in another `order`, those of layers first, and the shape of one layer.

    `layers` is how many there are, None for a leaf that is one; `fused` is how many of them stand side by side along the
    outputs, the last axis of a layer.
    """

    order: tuple[int, ...]
    layers: int | None
    layer: tuple[int, ...]
    fused: int = 1

    def into(self, leaf: jax.Array) -> jax.Array:
        """The leaf as `layers` of them, or as one."""
        if self._changes_nothing(leaf.shape):
            return leaf if self.layers is None else every_layer(leaf)
        seen = jnp.transpose(whole(leaf), self.order)
        if self.fused > 1:
            inputs, outputs = self.layer
            seen = seen.reshape(-1, inputs, self.fused, outputs).swapaxes(1, 2)
        return seen.reshape(self._shape)

    def back(self, seen: jax.Array, like: jax.Array) -> jax.Array:
        """The leaf that is seen so, in the shape and the place of `like`."""
        if self._changes_nothing(like.shape):
            return seen if self.layers is None else placed(seen, like)
        if self.fused > 1:
            seen = seen.reshape(-1, self.fused, *self.layer).swapaxes(1, 2)
        ordered = seen.reshape([like.shape[axis] for axis in self.order])
        return placed(jnp.transpose(ordered, [self.order.index(axis) for axis in range(like.ndim)]), like)

    @property
    def _shape(self) -> tuple[int, ...]:
        return self.layer if self.layers is None else (self.layers, *self.layer)

    def _changes_nothing(self, shape: tuple[int, ...]) -> bool:
        return self._shape == shape and self.order == tuple(range(len(shape)))


def as_it_is(shape: tuple[int, ...]) -> View:
    """The view of a leaf that is one layer, in its own axes."""
    return View(tuple(range(len(shape))), None, shape)
