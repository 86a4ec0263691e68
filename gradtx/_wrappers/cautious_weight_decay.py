"""Weight decay where it agrees with the step."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.numerics import leafwise
from gradtx._core.transformation import GradientTransformation, transformation
from gradtx._core.types import PyTree


@leafwise
def _agreeing(u: jax.Array, decay: jax.Array) -> jax.Array:
    return u + jnp.where(jnp.sign(u) * jnp.sign(decay) >= 0, decay, 0)


@transformation
def cautious_weight_decay(decay: GradientTransformation) -> Any:
    """Let a weight decay add only where it agrees with the updates in sign: u ← u + d where u d ≥ 0, with d = decay(0).

    `decay` is `add_decayed_weights(...)` before the learning rate or `subtract_decayed_weights(...)` behind it. A weight
    that the step makes larger does not decay, so the loss is not traded for small weights. (Chen et al. 2025,
    algorithm 1; gains on AdamW, Lion and Muon up to billions of weights in their own paper.)
    """

    def update(updates: PyTree, state: Any, params: PyTree) -> Any:
        added, state = decay.update(jax.tree.map(jnp.zeros_like, updates), state, params)
        return _agreeing(updates, added), state

    return decay.init, update
