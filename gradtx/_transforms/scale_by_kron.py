"""Whitening by triangular factors, one for each axis, that are fitted by descent on their group."""

import math
from collections.abc import Iterator
from typing import Any, cast

import jax
import jax.numpy as jnp

from gradtx._core.layouts import placed, whole
from gradtx._core.matrices import gathered, product
from gradtx._core.numerics import cut_off, matched, root, widest
from gradtx._core.random import leaf_keys, normal_like
from gradtx._core.transformation import transformation
from gradtx._core.types import Key, NonNegative, Positive, PyTree

Factors = list[jax.Array]


def _factors(leaf: jax.Array, max_size: int) -> Factors:
    """One factor for each axis: a matrix, or its diagonal where a matrix would have one element, or too many."""
    if leaf.ndim < 2:
        return [jnp.ones_like(leaf)]
    return [jnp.eye(n, dtype=leaf.dtype) if 1 < n <= max_size else jnp.ones(n, leaf.dtype) for n in leaf.shape]


def _times(q: jax.Array, x: jax.Array, axis: int) -> jax.Array:
    """q x along an axis."""
    if q.ndim < 2:
        return x * _along(q, x, axis)
    return _put_back(product(q, _rows(x, axis)), x, axis)


def _divided(q: jax.Array, x: jax.Array, axis: int) -> jax.Array:
    """q⁻ᵀ x along an axis."""
    if q.ndim < 2:
        return x / _along(q, x, axis)
    return _put_back(jax.scipy.linalg.solve_triangular(q, _rows(x, axis), trans=1), x, axis)


def _rows(x: jax.Array, axis: int) -> jax.Array:
    """x as a matrix whose rows lie along an axis."""
    return jnp.moveaxis(x, axis, 0).reshape(x.shape[axis], math.prod(x.shape) // max(x.shape[axis], 1))


def _put_back(rows: jax.Array, x: jax.Array, axis: int) -> jax.Array:
    return jnp.moveaxis(rows.reshape(x.shape[axis], *x.shape[:axis], *x.shape[axis + 1 :]), 0, axis)


def _along(q: jax.Array, x: jax.Array, axis: int) -> jax.Array:
    return q if x.ndim < 2 else jnp.expand_dims(q, [k for k in range(x.ndim) if k != axis])


def _gram(q: jax.Array, x: jax.Array, axis: int) -> jax.Array:
    """The products of all slices of x along an axis, of each with itself alone where q is a diagonal."""
    if x.ndim < 2:
        return x * x
    rows = _rows(x, axis)
    return jnp.sum(rows * rows, axis=1) if q.ndim < 2 else product(rows, rows.T)


def _size(gram: jax.Array, q: jax.Array) -> jax.Array:
    """The largest eigenvalue of a sum of squares, or a little less: one power iteration from the longest column."""
    if q.ndim < 2:
        return jnp.max(gram, initial=0)
    column = gram[:, jnp.argmax(jnp.sum(gram * gram, axis=0))]
    image = product(gram, column[:, None])
    norm = root(jnp.sum(image * image))
    second = product(gram, image / jnp.where(norm > 0, norm, 1))
    return root(jnp.sum(second * second))


def _balanced(factors: Factors) -> Factors:
    """The same product of factors, all with the same largest element."""
    sizes = [jnp.max(jnp.abs(q), initial=0) for q in factors]
    logs = [jnp.log(jnp.where(size > 0, size, 1)) for size in sizes]
    return [q * jnp.exp(sum(logs) / len(logs) - log) for q, log in zip(factors, logs, strict=True)]


@jax.jit
def _fitted(x: jax.Array, probe: jax.Array, factors: Factors, rate: Any, eps: Any) -> Factors:
    factors = _balanced(factors) if len(factors) > 1 else factors
    a, b = cut_off(x) + eps * probe, probe
    for axis, q in enumerate(factors):
        a, b = _times(q, a, axis), _divided(q, b, axis)
    largest = jnp.maximum(jnp.max(jnp.abs(a), initial=0), jnp.max(jnp.abs(b), initial=0))
    a, b = (each / jnp.where(largest > 0, largest, 1) for each in (a, b))
    return [_stepped(q, _gram(q, a, axis), _gram(q, b, axis), rate) for axis, q in enumerate(factors)]


def _stepped(q: jax.Array, of_gradient: jax.Array, of_probe: jax.Array, rate: Any) -> jax.Array:
    size = _size(of_gradient + of_probe, q)
    step = rate / jnp.where(size > 0, size, 1) * (of_gradient - of_probe)
    return q - step * q if q.ndim < 2 else gathered(q - product(jnp.triu(step), q))


@jax.jit
def _whitened(x: jax.Array, factors: Factors) -> jax.Array:
    y = cut_off(x)
    for axis, q in enumerate(factors):
        seen = _seen(q)
        y = _times(seen.T, _times(seen, y, axis), axis)
    return y


def _seen(x: jax.Array) -> jax.Array:
    return x if x.ndim < 2 else gathered(whole(x))


def _by_axis(factors: list[Factors], structure: Any) -> dict[str, PyTree]:
    """A tree for each axis, None where a leaf has no such axis."""
    most = max(map(len, factors), default=0)
    return {f"axis_{k}": structure.unflatten([each[k] if k < len(each) else None for each in factors]) for k in range(most)}


def _by_leaf(kept: dict[str, PyTree], structure: Any) -> Iterator[Factors]:
    columns = [structure.flatten_up_to(kept[f"axis_{k}"]) for k in range(len(kept))]
    return ([q for q in row if q is not None] for row in zip(*columns, strict=True))


@transformation
def scale_by_kron(key: Key, every: Positive, rate: Positive = 0.1, eps: NonNegative = 1e-9, max_size: int = 8192) -> Any:
    """Whiten the updates by fitted factors: u ← QᵀQ u, Q ← Q − rate triu(aaᵀ − bbᵀ) Q / ‖aaᵀ + bbᵀ‖, a = Q (u + eps ξ), b = Q⁻ᵀ ξ.

    Q is a Kronecker product of an upper triangular matrix for each axis, with a diagonal for vectors, scalars and axes longer
    than `max_size`; aaᵀ and bbᵀ sum over the other axes, ξ is Gaussian and a function of `key`, the path and the step alone. It
    decomposes nothing. `every` is the period of fits and may be a schedule: the first is at the first step, then one whenever the
    sum of 1 / every passes a whole number, where the authors toss a coin of that probability. `eps` bounds Q for leaves
    without gradient. Steps have a root mean square near 1: put `clip_by_block_rms(1.1)` behind it. (Li 2015, arXiv
    1512.04202, section IV; the form is that of Kron, and eps that of psgd_torch.)
    """

    def init(params: PyTree) -> Any:
        leaves, structure = jax.tree.flatten(params)
        factors = _by_axis([_factors(leaf, max_size) for leaf in leaves], structure)
        return {"due": jnp.ones((), widest(params)), "factors": factors}

    def update(updates: PyTree, state: Any, params: PyTree = None, *, step: jax.Array) -> Any:
        leaves, structure = jax.tree.flatten(updates)
        seen = [_seen(leaf) for leaf in leaves]
        kept = list(_by_leaf(state["factors"], structure))

        def fit() -> list[Factors]:
            keys = jax.tree.leaves(leaf_keys(cast(jax.Array, key), step, updates))
            probes = [_seen(normal_like(leaf, leaf_key)) for leaf, leaf_key in zip(leaves, keys, strict=True)]
            numbers = ([matched(number, leaf.dtype) for number in (rate, eps)] for leaf in leaves)
            return [_fitted(*each, *them) for *each, them in zip(seen, probes, kept, numbers, strict=True)]

        due = state["due"]
        now = due >= 1 - 2.0**-12  # seven sevenths may be a little less than 1
        factors = jax.lax.cond(now, fit, lambda: kept)
        moved = [placed(_whitened(x, q), leaf) for x, q, leaf in zip(seen, factors, leaves, strict=True)]
        due = jnp.where(now, due - 1, due) + 1 / matched(every, due.dtype)
        return structure.unflatten(moved), {"due": due, "factors": _by_axis(factors, structure)}

    return init, update
