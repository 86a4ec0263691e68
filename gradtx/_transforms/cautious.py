"""Updates only where they agree with the gradient."""

from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.flow import Flow
from gradtx._core.numerics import leafwise
from gradtx._core.transformation import stateless, transformation
from gradtx._core.types import PyTree


@leafwise
def _agreeing(u: jax.Array, gradient: jax.Array, *, toward: Any) -> jax.Array:
    agrees = toward * jnp.sign(u) * jnp.sign(gradient) > 0
    return jnp.where(agrees, u, 0) * (u.size / (jnp.sum(agrees.astype(u.dtype)) + 1))


@transformation
def cautious() -> Any:
    """Keep the updates only where they agree with the gradient in sign, and make these larger: u ← u φ n / (Σφ + 1), φ = 1(u g > 0).

    n is the number of weights of the leaf, Σφ how many agree. Behind an average the updates may point where the loss
    rises by now; this leaves those out. It stands behind the moments or behind a whole optimizer,
    `chain(adam(1e-3), cautious())`, and before weight decay. Another library's optimizer has to be turned uphill
    for it: `chain(other, scale(-1.0), cautious(), scale(-1.0))`. (Liang et al. 2024, algorithm 2, where their
    code has 1 / max(mean φ, 1e-3); 1.3 to 1.5 times fewer samples in their own paper.)
    """

    def apply(updates: PyTree, *, flow: Flow) -> PyTree:
        return _agreeing(updates, flow.gradient, toward=-1.0 if flow.downhill else 1.0)

    return stateless(apply)
