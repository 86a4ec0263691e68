"""Scalars that a chain leaves in its state for the eye."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.kinds import shown
from gradtx._core.numerics import widest
from gradtx._core.run import with_slots
from gradtx._core.transformation import Moment, identity, transformation
from gradtx._core.trees import path_name
from gradtx._core.types import PyTree

_MARK = "observed "


@transformation(stands="anywhere")
def observe(name: str, measure: Callable[..., Any], moment: Moment = identity()) -> Any:
    """Keep a scalar of the flow in the state and leave the updates as they are; `observations(state)` reads it.

    `measure(updates, gradient, params)` gets the trees at this place of the chain: what came in, the gradient behind
    it, and the parameters, None if the call passes none. It returns a scalar, such as `update_norm` or a function of
    your own. `moment` goes over it in time: `bias_correction(ema(0.99))` smooths, `running_sum()` counts. The structure
    of the state never changes, so it works under `scan`, `vmap` and `jit`. Before the first step it is 0.
    """
    slot = _MARK + name

    def init(params: PyTree) -> Any:
        zero = jnp.zeros((), widest(params))
        return with_slots(moment.init(zero), "observe", **{slot: zero})

    def update(updates: PyTree, state: Any, params: PyTree = None, *, gradient: PyTree) -> Any:
        value = measure(updates, gradient, params)
        if jnp.shape(value) != ():
            raise ValueError(f"observe: the measure of {name!r} must return a scalar, and it returned {shown(value)}. Write jnp.mean(...).")
        inner = {key: entry for key, entry in state.items() if key != slot}
        value, inner = moment.update(jnp.asarray(value, widest(updates)), inner)
        return updates, {slot: value, **inner}

    return init, update


def observations(state: PyTree) -> dict[str, jax.Array]:
    """What the parts `observe(name, ...)` of an optimizer saw last, by name, from its state, wherever in it they are.

    A name that several parts have is preceded by the path of each: `freeze/observe/norm`.
    """
    entries = [(path, leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(state) if _name(path).startswith(_MARK)]
    names = [_name(path).removeprefix(_MARK) for path, _ in entries]
    places = [f"{path_name(path[:-1])}/{name}" for name, (path, _) in zip(names, entries, strict=True)]
    keys = [name if names.count(name) == 1 else place for name, place in zip(names, places, strict=True)]
    return {key: leaf for key, (_, leaf) in zip(keys, entries, strict=True)}


def _name(path: Any) -> str:
    return str(path[-1].key) if path and isinstance(path[-1], jax.tree_util.DictKey) else ""
