"""Committing updates to parameters in half precision without losing those that are smaller than a rounding."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx._core.kinds import KeyKind, random_key
from gradtx._core.numerics import next_step, widened
from gradtx._core.random import leaf_key
from gradtx._core.rounding import rounded, stochastically_rounded
from gradtx._core.trees import Boundary, is_trainable
from gradtx._core.types import Key, PyTree

RESIDUALS = {8: jnp.int8, 16: jnp.int16}


class Commit(NamedTuple):
    """Two functions beside those of an optimizer: `init(params)` makes a state, `commit(params, updates, state)` gives both anew.

    The state is a dict: `stalled` holds for each leaf how many of its elements had an update other than zero at the
    last step and did not move.
    """

    init: Callable[[PyTree], dict[str, Any]]
    commit: Callable[[PyTree, PyTree, dict[str, Any]], tuple[PyTree, dict[str, Any]]]


def stochastic_commit(key: Key = 0) -> Commit:
    """`params + updates`, rounded up or down by chance so that the mean is exact: no memory, and small updates add up.

    A weight in bfloat16 moves by whole spacings, each as rarely as the update is small, so `stalled` is large and harms
    nothing. The bits depend on `key`, the leaf's path and the count of steps in the state alone. `compensated_commit`
    has less noise for one or two bytes a weight. (Gupta et al. 2015; for AdamW in bfloat16: Ozkara et al. 2025.)
    """
    KeyKind().accept(key, "stochastic_commit: key")

    def init(params: PyTree) -> dict[str, Any]:
        return {"step": jnp.zeros((), jnp.int32), "stalled": _counts(params)}

    def commit(params: PyTree, updates: PyTree, state: dict[str, Any]) -> tuple[PyTree, dict[str, Any]]:
        now = jax.random.fold_in(random_key(key, "stochastic_commit: key"), state["step"])

        def one(path: Any, param: jax.Array, update: jax.Array) -> tuple[Any, ...]:
            total = _wide(param) + _wide(update)
            half = _is_half(param)
            moved = stochastically_rounded(total, param.dtype, leaf_key(now, path)) if half else total.astype(param.dtype)
            return moved, _stalled(moved == param, update)

        moved, stalled = _leafwise(one, "stochastic_commit", params, updates)
        return moved, {"step": next_step(state["step"]), "stalled": stalled}

    return Commit(init, commit)


def compensated_commit(bits: int = 16) -> Commit:
    """`params + updates`, with what rounding cuts off kept in an integer of `bits` bits, 8 or 16, for each weight in half precision.

    Parameter and residual together are a master weight: residual / (2^(bits−1) − 1) of half a spacing is added before
    the next update. A bfloat16 weight then moves by 2⁻²⁴ of itself with 16 bits, as float32 would, and by 2⁻¹⁶ with 8; below
    half of that it is `stalled`. Wider weights have no residual. (Ortiz et al. 2026, "FlashOptim", weight splitting.)
    """
    if bits not in RESIDUALS:
        raise ValueError(f"compensated_commit: bits must be 8 or 16, got {bits!r}.")
    dtype, largest = RESIDUALS[bits], 2 ** (bits - 1) - 1

    def init(params: PyTree) -> dict[str, Any]:
        residual = jax.tree.map(lambda p: jnp.zeros_like(p, dtype) if is_trainable(p) and _is_half(p) else None, params)
        return {"residual": residual, "stalled": _counts(params)}

    def commit(params: PyTree, updates: PyTree, state: dict[str, Any]) -> tuple[PyTree, dict[str, Any]]:
        def one(path: Any, param: jax.Array, update: jax.Array, residual: Any) -> tuple[Any, ...]:
            if residual is None:
                moved = (_wide(param) + _wide(update)).astype(param.dtype)
                return moved, None, _stalled(moved == param, update)
            total = _wide(param) + residual.astype(jnp.float32) * (_half_spacing(param) / largest) + _wide(update)
            nearest = rounded(total, param.dtype)
            moved = nearest.astype(param.dtype)
            unit = _half_spacing(moved) / largest
            error = (total - nearest) / jnp.where(unit > 0, unit, 1)
            left = jnp.clip(jnp.round(error), -largest, largest).astype(dtype)
            return moved, left, _stalled((moved == param) & (left == residual), update)

        moved, residual, stalled = _leafwise(one, "compensated_commit", params, updates, state["residual"])
        return moved, {"residual": residual, "stalled": stalled}

    return Commit(init, commit)


def _leafwise(one: Callable[..., tuple[Any, ...]], part: str, params: PyTree, updates: PyTree, *others: PyTree) -> tuple[PyTree, ...]:
    """Trees of what `one` gives for each leaf. What is not trained stays, and has nothing else."""
    boundary = Boundary(params, "parameters", part)
    columns = [boundary.check(updates, "updates"), *map(boundary.structure.flatten_up_to, others)]
    rows = zip(boundary.paths, boundary.leaves, *columns, strict=True)
    found = [one(path, jnp.asarray(p), jnp.asarray(u), *rest) if is_trainable(p) else (p, *rest, None) for path, p, u, *rest in rows]
    width = 2 + len(others)
    return tuple(boundary.structure.unflatten([row[k] for row in found]) for k in range(width))


def _counts(params: PyTree) -> PyTree:
    return jax.tree.map(lambda p: jnp.zeros((), jnp.int32) if is_trainable(p) else None, params)


def _is_half(param: Any) -> bool:
    dtype = jnp.result_type(param)
    return jnp.issubdtype(dtype, jnp.floating) and jnp.finfo(dtype).bits < 32


def _wide(x: jax.Array) -> jax.Array:
    return x if jnp.iscomplexobj(x) else x.astype(widened(x.dtype))


def _half_spacing(x: jax.Array) -> jax.Array:
    """Half of the distance from |x| to the next larger number of its dtype, in float32."""
    size = jnp.abs(x)
    return (jnp.nextafter(size, jnp.full_like(size, jnp.inf)).astype(jnp.float32) - size.astype(jnp.float32)) / 2


def _stalled(same: jax.Array, update: jax.Array) -> jax.Array:
    return jnp.sum(same & (update != 0), dtype=jnp.int32)
