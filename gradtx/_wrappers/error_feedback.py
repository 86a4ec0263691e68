"""Sending later what a compressor left out."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.flow import Flow
from gradtx._core.numerics import leafwise
from gradtx._core.order import found, gives_learning_rate
from gradtx._core.transformation import GradientTransformation, transformation
from gradtx._core.types import Decay, PyTree
from gradtx._storage.codec import OpenedCodec
from gradtx._storage.slot import Slot


@leafwise
def _sum(x: jax.Array, y: jax.Array) -> jax.Array:
    return x + y


@leafwise
def _rest(e: jax.Array, sent: jax.Array, *, momentum: Any) -> jax.Array:
    return e - (1 - momentum) * sent


@transformation
def error_feedback(inner: GradientTransformation, momentum: Decay = 0.0, storage: OpenedCodec | None = None) -> Any:
    """Add what was left out before, and keep what is left out now: e ← e + u, u ← inner(e), e ← e − (1 − momentum) u.

    `inner` is a compressor: `scaled_sign()`, `top_k(0.01)`, `low_rank(4, key)`. Everything arrives in the end, so that it
    converges where the compressor alone would be biased. With `momentum` above 0 part of what was sent stays and is sent again,
    as momentum does. A compressor may give a direction instead of what it captured, and say what that was
    (`orthonormal_low_rank`). It belongs before the learning rate, so that what waits has the unit of gradients; in the paper it has
    that of steps, the same while the rate is constant. Memory is one number a weight, in the codec `storage`. (Seide et al. 2014;
    Karimireddy et al. 2019, arXiv 1901.09847, algorithm 2; with momentum: Ahn et al. 2025, arXiv 2504.05295.)
    """
    rate = found(inner, gives_learning_rate)
    if rate is not None:
        raise ValueError(
            f"error_feedback: inner gives a learning rate, {rate.form.name}(...), and what is left out would be measured after it. "
            "Put it behind: chain(error_feedback(...), scale_by_learning_rate(...))."
        )

    slot = Slot(storage, "error")

    def init(params: PyTree) -> Any:
        error = slot.begun(jax.tree.map(jnp.zeros_like, params))
        return {"error": error, "inner": inner.init(params)}

    def update(updates: PyTree, state: Any, params: PyTree = None, *, flow: Flow, step: jax.Array) -> Any:
        total = _sum(slot.decoded(state["error"], updates), updates)
        moved, entries = inner.carry(Flow(total, total), state["inner"], params)
        error = _rest(total, moved.published.get("captured", moved.updates), momentum=momentum)
        return dataclasses.replace(flow, updates=moved.updates, averaged=True), {"error": slot.encoded(error, step), "inner": entries}

    return init, update
