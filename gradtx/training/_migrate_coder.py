"""How one leaf of a state is kept in code, layer by layer where a part runs on stacked ones."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp


@dataclasses.dataclass(frozen=True)
class Coder:
    """How one leaf is kept in code: `like` is what the codec sees, `layers` how many axes of layers are before that.

    `codec` is what `coding` was opened from, for comparing.
    """

    codec: Any
    coding: Any
    like: jax.ShapeDtypeStruct
    layers: int

    @classmethod
    def of(cls, codec: Any, coding: Any, like: jax.ShapeDtypeStruct, parts: Mapping[str, Any]) -> "Coder | None":
        """The one that keeps a leaf like this as these arrays, None if it is kept as others."""
        kept = jax.eval_shape(cls(codec, coding, like, 0).encoded, jnp.zeros(like.shape, like.dtype), 0)
        layers = {jnp.shape(parts[name])[: jnp.ndim(parts[name]) - leaf.ndim] for name, leaf in kept.items() if name in parts}
        if kept.keys() != parts.keys() or len(layers) != 1:
            return None
        (sizes,) = layers
        fits = all(jnp.shape(parts[name]) == (*sizes, *leaf.shape) and parts[name].dtype == leaf.dtype for name, leaf in kept.items())
        return cls(codec, coding, like, len(sizes)) if fits else None

    def encoded(self, value: Any, step: Any) -> dict[str, jax.Array]:
        """What is kept of a value."""
        if not self.coding.fits(self.like.shape):
            return {"wide": value}
        key = None if self.coding.key is None else jax.random.fold_in(self.coding.key, step)
        return self._each(lambda x: self.coding.encode(x, key))(value)

    def decoded(self, parts: dict[str, Any]) -> jax.Array:
        """The value that is kept so."""
        return parts["wide"] if "wide" in parts else self._each(lambda kept: self.coding.decode(kept, self.like))(parts)

    def _each(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        for _ in range(self.layers):
            function = jax.vmap(function)
        return function
