"""A factor on the loss that keeps gradients in half precision away from zero."""

import dataclasses
import math
from typing import Any, final

import jax
import jax.numpy as jnp


@final
@dataclasses.dataclass(frozen=True)
class DynamicLossScale:
    """What `dynamic_loss_scale(...)` returns. Its state is a dict: `scale`, and `good`, the steps since it last changed."""

    initial: float
    every: int
    factor: float

    def init(self) -> dict[str, jax.Array]:
        """The state before the first step."""
        return {"scale": jnp.float32(self.initial), "good": jnp.int32(0)}

    def adjusted(self, state: dict[str, jax.Array], finite: Any) -> dict[str, jax.Array]:
        """The state after a step whose gradient was finite or not."""
        scale, good = state["scale"], state["good"] + 1
        grows = good >= self.every
        taken = jnp.where(grows, jnp.minimum(scale * self.factor, 2.0**100), scale)
        scale = jnp.where(finite, taken, jnp.maximum(scale / self.factor, 2.0**-24))
        return {"scale": scale, "good": jnp.where(finite & ~grows, good, 0)}


def dynamic_loss_scale(initial: float = 2.0**15, every: int = 2000, factor: float = 2.0) -> DynamicLossScale:
    """A loss scale that is divided by `factor` where a gradient overflows, and multiplied by it after `every` steps without.

    For `make_step(..., compute_dtype=jnp.float16, loss_scale=dynamic_loss_scale())`: float16 has no gradients below 6e-8, so the loss is
    multiplied before it is differentiated, and the gradient divided in float32 behind. A step whose gradient is not finite
    leaves parameters and optimizer as they were. bfloat16 has the range of float32 and needs none of this.
    (Micikevicius et al. 2018, "Mixed precision training", arXiv 1710.03740.)
    """
    if not 0 < initial < math.inf or not 1 < factor < math.inf or every < 1:
        raise ValueError(
            "dynamic_loss_scale: initial must be above 0, every at least 1 and factor above 1, all finite, got "
            f"{initial!r}, {every!r}, {factor!r}."
        )
    return DynamicLossScale(float(initial), int(every), float(factor))
