"""The mean over a batch, taken from micro-batches one after the other."""

from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp

from gradtx._core.kinds import is_key
from gradtx._core.layouts import laid_out, placed, shared_by, whole
from gradtx._core.types import PyTree

One: TypeAlias = Callable[[PyTree, Any, PyTree], tuple[PyTree, PyTree, Any]]
"""From a batch, a key and the model's state: a tree of means over the batch's examples, the model's new state, and aux."""


def in_micro_batches(one: One, count: int, weigh: Callable[[PyTree], Any] | None, batch: PyTree, key: Any, model_state: PyTree) -> Any:
    """What `one` gives for the whole batch, from at most `count` micro-batches, the last one shorter where they do not divide it.

    Means are added up in float32 or wider, each with its number of examples, or with what `weigh` says of it. Full micro-batch i holds
    every so-manieth example, so that a batch whose examples lie on many devices stays where it is.
    """
    examples = _examples(batch)
    if count > examples:
        raise ValueError(f"make_step: micro_batches={count} is more than the {examples} examples of the batch.")
    size = -(-examples // count)
    full, rest = divmod(examples, size)
    if full == 1 and not rest:
        return one(batch, key, model_state)
    weigh = weigh or (lambda rows: jnp.float32(_examples(rows)))
    head, tail = (jax.tree.map(lambda x, cut=cut: cut(x, full, size), batch) for cut in (_full, _rest))

    def add(total: PyTree, model_state: PyTree, rows: PyTree, k: Any) -> tuple[Any, Any]:
        means, model_state, aux = one(rows, None if key is None else jax.random.fold_in(key, k), model_state)
        weight = jnp.asarray(weigh(rows), jnp.float32)
        total = jax.tree.map(lambda t, mean: t + jnp.where(weight > 0, weight * mean.astype(t.dtype), 0), total, means)
        return (total, model_state), (weight, aux)

    shapes, _, of_whole = jax.eval_shape(one, batch, key, model_state)
    zero = jax.tree.map(lambda leaf: jnp.zeros_like(leaf, jnp.promote_types(leaf.dtype, jnp.float32)), shapes)
    (total, model_state), (weights, aux) = jax.lax.scan(
        lambda carry, x: add(*carry, x[0], x[1]), (zero, model_state), (head, jnp.arange(full))
    )
    pieces = [(weights, aux, size)]
    if rest:
        (total, model_state), last = add(total, model_state, tail, full)
        pieces.append((*jax.tree.map(lambda leaf: leaf[None], last), rest))
    weight = sum((jnp.sum(weights) for weights, *_ in pieces), jnp.float32(0))
    means = jax.tree.map(lambda t: t / jnp.where(weight > 0, weight, 1).astype(t.dtype), total)
    aux = jax.tree.map(lambda whole, *parts: _joined(whole, parts, pieces, weight), of_whole, *(aux for _, aux, _ in pieces))
    return means, model_state, aux


def _full(leaf: Any, full: int, size: int) -> jax.Array:
    """The full micro-batches of a leaf, one after the other."""
    leaf = jnp.asarray(leaf)
    return laid_out(lambda x: x[: full * size].reshape(size, full, *x.shape[1:]).swapaxes(0, 1), shared_by(leaf, size, beside=1), leaf)


def _rest(leaf: Any, full: int, size: int) -> jax.Array:
    """The examples of a leaf that fill no micro-batch."""
    leaf = jnp.asarray(leaf)
    return laid_out(lambda x: x[full * size :], shared_by(leaf, len(leaf) - full * size), leaf)


def _examples(batch: PyTree) -> int:
    """The number of examples: the length of the first axis, the same in every leaf."""
    lengths = {jax.tree_util.keystr(path): jnp.shape(leaf)[:1] for path, leaf in jax.tree_util.tree_leaves_with_path(batch)}
    if len(set(lengths.values())) != 1 or () in lengths.values():
        raise ValueError(
            "make_step: to take micro-batches, every leaf of the batch needs the examples on its first axis; the lengths are "
            f"{ {name or 'batch': length[0] if length else 'none, a scalar' for name, length in lengths.items()} }."
        )
    return next(iter(lengths.values()))[0]


def _joined(like: Any, parts: tuple[Any, ...], pieces: list[Any], weight: Any) -> jax.Array:
    """One leaf of aux as the whole batch has it.

    One row for each example, or a mean of floats, a sum of integers, `all` of bools, the first of keys.
    """
    if parts[0].shape[1:] != like.shape:
        if any(part.shape[1:] != (size, *like.shape[1:]) for part, (_, _, size) in zip(parts, pieces, strict=True)):
            raise ValueError(
                f"make_step: aux of shape {like.shape} cannot be put together from micro-batches, where its shape is "
                f"{parts[0].shape[1:]}. What depends on the examples needs them on its first axis, and on no other."
            )
        rows = [whole(part).swapaxes(0, 1).reshape(-1, *part.shape[2:]) for part in parts]
        return placed(jnp.concatenate(rows), like)
    stacked = jnp.concatenate(parts)
    if like.dtype == bool:
        return jnp.all(stacked, axis=0)
    if is_key(like):
        return stacked[0]
    if not jnp.issubdtype(like.dtype, jnp.inexact):
        return jnp.sum(stacked, axis=0, dtype=like.dtype)
    weights = jnp.concatenate([weights for weights, *_ in pieces]).reshape(-1, *(1,) * len(like.shape))
    mean = jnp.sum(jnp.where(weights > 0, weights * stacked, 0), axis=0) / jnp.where(weight > 0, weight, 1)
    return mean.astype(like.dtype)
