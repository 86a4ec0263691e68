"""Weight decay behind the learning rate."""

from typing import Any

import jax

from gradtx._core.numerics import leafwise
from gradtx._core.selection import Where
from gradtx._core.transformation import stateless, transformation
from gradtx._core.types import Fraction, PyTree


@leafwise
def _decayed(u: jax.Array, param: jax.Array, *, weight_decay: Any) -> jax.Array:
    return u - weight_decay * param


@transformation(uphill=False)
def subtract_decayed_weights(weight_decay: Fraction, where: Where = None) -> Any:
    """Subtract the weights times a factor from the step: u ← u − λ θ, so that θ ← (1 − λ) θ + u.

    Behind the learning rate, and independent of it: λ is the share of a weight that is lost at each step, so it is
    smaller than the λ of `add_decayed_weights` by a factor of the learning rate. Tuning one then leaves the other as
    it was; give it a schedule to let it fall with the learning rate. `where` chooses the leaves. (Loshchilov & Hutter
    2017, whose λ is multiplied by the schedule alone; Wortsman et al. 2023, section 3.2.3.)
    """

    def apply(updates: PyTree, params: PyTree) -> PyTree:
        return jax.tree.map(
            lambda u, param, inside: _decayed(u, param, weight_decay=weight_decay) if inside else u, updates, params, where(params)
        )

    return stateless(apply)
