"""A scale for the steps of any optimizer, learned while it runs."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradtx._core.flow import Flow
from gradtx._core.numerics import global_norm, largest_root, matched, root, weighted_sum, widest
from gradtx._core.transformation import GradientTransformation, transformation
from gradtx._core.types import NonNegative, Numbers, Positive, PyTree
from gradtx._core.whole import dot, ratio


def _total(tuners: list[dict[str, jax.Array]]) -> jax.Array:
    return jnp.sum(jnp.stack([tuner["scale"] for tuner in tuners]))


def _named(tuners: list[Any]) -> dict[str, Any]:
    return {f"tuner_{k}": tuner for k, tuner in enumerate(tuners)}


def _check(betas: tuple[Any, ...]) -> None:
    if not betas:
        raise ValueError("betas must hold one rate of forgetting at least, such as (0.9, 0.99, 0.999).")
    for k, beta in enumerate(betas):
        if np.any(beta < 0) or np.any(beta >= 1):
            raise ValueError(f"betas[{k}] must be in [0, 1), got {beta}. It is the weight of the past.")


@transformation(stands="last", check=_check)
def mechanic(
    inner: GradientTransformation,
    weight_decay: NonNegative = 0.01,
    s_init: Positive = 1e-8,
    eps: Positive = 1e-8,
    betas: Numbers = (0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999),
) -> Any:
    """Multiply all that `inner` has moved by a learned scale: θ ← θ₀ + (Σ s) Δ, with Δ the sum of the updates of `inner`.

    Each sᵢ = (s_init m / n + r) / (√v + eps) is a betting tuner that forgets at a rate βᵢ: of h = ⟨Δ, g + λ (Σ s) ‖g‖ θ / ‖θ‖⟩ it keeps
    m ← max(β m, |h|), v ← β² v + h², r ← max(β r − s h, 0). Norms are over all leaves together.
    `inner` is a whole optimizer with a learning rate of about 1 and its usual schedule: `mechanic(adamw(schedule))`, and not one that
    looks at the size of steps, like `lamb`. The first step does not move. `weight_decay` λ steadies the scale, beside that of `inner`.
    It remembers Δ beside the state of `inner`. What Optax calls mechanize; close to tuned rates in its own paper. (Cutkosky et al. 2023,
    arXiv 2306.00144, algorithm 1; in their code m begins at 1e-6, so that the first step moves, and ‖θ‖ is that behind `inner`.)
    """

    def init(params: PyTree) -> Any:
        zero = jnp.zeros((), widest(params))
        tuners = [dict.fromkeys(("scale", "largest", "squares", "reward"), zero) for _ in betas]
        return {"moved": jax.tree.map(jnp.zeros_like, params), **_named(tuners), "inner": inner.init(params)}

    def tuned(tuner: Any, h: jax.Array, beta: Any) -> Any:
        largest = jnp.maximum(beta * tuner["largest"], jnp.abs(h))
        squares = beta**2 * tuner["squares"] + h**2
        reward = jnp.maximum(beta * tuner["reward"] - tuner["scale"] * h, 0)
        wealth = matched(s_init, h.dtype) / len(betas) * largest + reward
        # Down a slope without end the wealth doubles for ever.
        scale = jnp.minimum(wealth / (root(squares) + matched(eps, h.dtype)), largest_root(h.dtype))
        return {"scale": scale, "largest": largest, "squares": squares, "reward": reward}

    def update(updates: PyTree, state: Any, params: PyTree, *, flow: Flow) -> Any:
        tuners = [state[f"tuner_{k}"] for k in range(len(betas))]
        before = _total(tuners)
        moved, inner_state = inner.carry(flow, state["inner"], params)
        pull = matched(weight_decay, before.dtype) * before * ratio(global_norm(flow.gradient), global_norm(params))
        h = dot(state["moved"], flow.gradient) + pull * dot(state["moved"], params)
        h = jnp.clip(h, -largest_root(h.dtype), largest_root(h.dtype))
        tuners = [tuned(tuner, h, matched(beta, h.dtype)) for tuner, beta in zip(tuners, betas, strict=True)]
        total = jax.tree.map(jnp.add, state["moved"], moved.updates)
        step = weighted_sum(total, state["moved"], of_x=_total(tuners), of_y=-before)
        return moved.moved(step), {"moved": total, **_named(tuners), "inner": inner_state}

    def evaluate(params: PyTree, state: Any) -> PyTree:
        return inner.evaluate(params, state["inner"])

    return init, update, evaluate
