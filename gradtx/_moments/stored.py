"""Remembering a moment in fewer bytes."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.flow import Flow
from gradtx._core.random import leaf_key
from gradtx._core.transformation import GradientTransformation, Moment, transformation
from gradtx._core.types import PyTree
from gradtx._storage.codec import Codec, Coding, OpenedCodec


def stored(moment: GradientTransformation, codec: Codec | None = None) -> GradientTransformation:
    """The moment, remembered through a codec between two steps: decode, update, encode. Without a codec it is `moment` itself.

    The step uses the new statistic before it is rounded, except where the method reads it as stored (`rank_one`,
    `block_mean`). Every array of the moment's state that has the shape of its parameter is coded if its shape fits
    the codec; the others stay as they are. `bias_correction` goes around it, and `running_max` inside or around: what
    the maximum compares is decoded. A part that feeds the moment with squares, as `scale_by_rms` does, says so, and the
    codec then has no sign and rounds nothing to zero.
    """
    return moment if codec is None else _stored(moment, codec)


def _moment_averages(state: Any, moment: Flow) -> bool:
    return moment.averaged


@transformation(averages=_moment_averages)
def _stored(moment: Moment, codec: OpenedCodec) -> Any:
    coding: Any = codec

    def init(params: PyTree) -> Any:
        return _kept(moment.init(params), params, jnp.zeros((), jnp.int32))

    def update(updates: PyTree, state: Any, params: PyTree = None, *, step: jax.Array) -> Any:
        before = jax.eval_shape(moment.init, updates)
        value, after = moment.update(updates, _by_slot(lambda slot, path, like: decoded(coding, slot, like), state, before, updates))
        value = _read_back(coding, value) if coding.read_back else value
        return value, _kept(after, updates, step)

    def _kept(state: Any, like: PyTree, step: jax.Array) -> Any:
        key = None if coding.key is None else jax.random.fold_in(coding.key, step)
        return _by_slot(lambda slot, path, like: encoded(coding, slot, key, path), state, state, like)

    return init, update


def _by_slot(function: Callable[..., Any], state: Any, plain: Any, params: PyTree, path: tuple[Any, ...] = ()) -> Any:
    """The state with `function` on its slots: where it is a tree like the parameters before it is coded, as `plain` is."""
    if _is_slot(plain, params):
        return function(state, path, plain)
    if not isinstance(plain, dict):
        return state
    return {name: _by_slot(function, state[name], entry, params, (*path, jax.tree_util.DictKey(name))) for name, entry in plain.items()}


def _is_slot(plain: Any, params: PyTree) -> bool:
    if jax.tree.structure(plain) != jax.tree.structure(params):
        return False
    pairs = zip(jax.tree.leaves(plain), jax.tree.leaves(params), strict=True)
    return bool(jax.tree.leaves(params)) and all(x.shape == p.shape and x.dtype == p.dtype for x, p in pairs)


def encoded(coding: Coding, slot: PyTree, key: Any, path: tuple[Any, ...]) -> dict[str, PyTree]:
    """What is kept of a slot: for each part of the code a tree like the slot; leaves that do not fit lie in `wide`."""
    leaves, structure = jax.tree_util.tree_flatten_with_path(slot)
    parts = [
        coding.encode(leaf, None if key is None else leaf_key(key, (*path, *place))) if coding.fits(leaf.shape) else {"wide": leaf}
        for place, leaf in leaves
    ]
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: structure.unflatten([part.get(name) for part in parts]) for name in names}


def decoded(coding: Coding, kept: dict[str, PyTree], like: PyTree) -> PyTree:
    """The slot that was kept, in the shapes and dtypes of `like`."""
    leaves, structure = jax.tree.flatten(like)
    columns = {name: structure.flatten_up_to(tree) for name, tree in kept.items()}
    rows = ({name: column[k] for name, column in columns.items() if column[k] is not None} for k in range(len(leaves)))
    return structure.unflatten([row["wide"] if "wide" in row else coding.decode(row, leaf) for row, leaf in zip(rows, leaves, strict=True)])


def _read_back(coding: Coding, value: PyTree) -> PyTree:
    return jax.tree.map(lambda x: coding.decode(coding.encode(x, None), x) if coding.fits(x.shape) else x, value)
