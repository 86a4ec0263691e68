"""Remembering a moment in fewer bytes."""

from collections.abc import Callable
from typing import Any

import jax

from gradtx._core.flow import moment_averages
from gradtx._core.transformation import GradientTransformation, Moment, transformation
from gradtx._core.types import PyTree
from gradtx._storage.codec import Codec, OpenedCodec
from gradtx._storage.slot import Slot


def stored(moment: GradientTransformation, codec: Codec | None = None) -> GradientTransformation:
    """The moment, remembered through a codec between two steps: decode, update, encode. Without a codec it is `moment` itself.

    The step uses the new statistic before it is rounded, except where the method reads it as stored (`rank_one`,
    `block_mean`). Every array of the moment's state that has the shape of its parameter is coded if its shape fits
    the codec; the others stay as they are. `bias_correction` goes around it, and `running_max` inside or around: what
    the maximum compares is decoded. A part that feeds the moment with squares, as `scale_by_rms` does, says so, and the
    codec then has no sign and rounds nothing to zero.
    """
    return moment if codec is None else _stored(moment, codec)


@transformation(averages=moment_averages)
def _stored(moment: Moment, codec: OpenedCodec) -> Any:
    coding: Any = codec

    def init(params: PyTree) -> Any:
        state = moment.init(params)
        return _by_slot(lambda slot, at, like: Slot(coding, *at).begun(slot), state, state, params)

    def update(updates: PyTree, state: Any, params: PyTree = None, *, step: jax.Array) -> Any:
        plain = jax.eval_shape(moment.init, updates)
        before = _by_slot(lambda slot, at, like: Slot(coding, *at).decoded(slot, like), state, plain, updates)
        value, after = moment.update(updates, before)
        now = Slot.once(coding)
        return Slot(now).read(value), _by_slot(lambda slot, at, like: Slot(now, *at).encoded(slot, step), after, after, updates)

    return init, update


def _by_slot(function: Callable[..., Any], state: Any, plain: Any, params: PyTree, at: tuple[str, ...] = ()) -> Any:
    """The state with `function` on its slots: where it is a tree like the parameters before it is coded, as `plain` is."""
    if _is_slot(plain, params):
        return function(state, at, plain)
    if not isinstance(plain, dict):
        return state
    return {name: _by_slot(function, state[name], entry, params, (*at, name)) for name, entry in plain.items()}


def _is_slot(plain: Any, params: PyTree) -> bool:
    if jax.tree.structure(plain) != jax.tree.structure(params):
        return False
    pairs = zip(jax.tree.leaves(plain), jax.tree.leaves(params), strict=True)
    return bool(jax.tree.leaves(params)) and all(x.shape == p.shape and x.dtype == p.dtype for x, p in pairs)
