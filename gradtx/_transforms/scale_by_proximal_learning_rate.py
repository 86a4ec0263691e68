"""The step downhill with weight decay taken where it ends instead of where it begins."""

from typing import Any

import jax

from gradtx._core.numerics import leafwise
from gradtx._core.selection import Where
from gradtx._core.transformation import stateless, transformation
from gradtx._core.types import LearningRate, NonNegative, PyTree


@leafwise
def _stepped(u: jax.Array, param: jax.Array, *, learning_rate: Any, weight_decay: Any) -> jax.Array:
    return -learning_rate * (u + weight_decay * param) / (1 + learning_rate * weight_decay)


@transformation
def scale_by_proximal_learning_rate(learning_rate: LearningRate, weight_decay: NonNegative, where: Where = None) -> Any:
    """Step downhill and decay implicitly: θ ← (θ − η u) / (1 + η λ), so u ← −η (u + λ θ) / (1 + η λ).

    It is decoupled decay whose λ θ is that of the new weights, stable for any η λ; for small η λ it is
    `add_decayed_weights` before the learning rate. `where` chooses the leaves that decay. (Zhuang et al. 2022, "Understanding
    AdamW through Proximal Methods and Scale-Freeness", equation 4.)
    """

    def apply(updates: PyTree, params: PyTree) -> PyTree:
        def stepped(u: Any, param: Any, inside: bool) -> Any:
            return _stepped(u, param, learning_rate=learning_rate, weight_decay=weight_decay if inside else 0.0)

        return jax.tree.map(stepped, updates, params, where(params))

    return stateless(apply)
