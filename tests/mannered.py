"""Another library's transformations: plain pairs of functions that leave alone what cannot be trained and keep every dtype."""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

CUSTOMARY = ("value", "grad", "value_fn")
"""Extras that training loops pass to every transformation."""


class Pair(NamedTuple):
    """Another library's transformation: two pure functions, or what should be."""

    init: Callable[..., Any]
    update: Callable[..., Any]


def is_none(leaf: Any) -> bool:
    return leaf is None


def trainable(leaf: Any) -> bool:
    return leaf is not None and jnp.issubdtype(jnp.result_type(leaf), jnp.inexact)


def wide_dtype(leaf: Any) -> Any:
    dtype = jnp.result_type(leaf)
    return dtype if jnp.finfo(dtype).bits >= 32 else jnp.dtype(jnp.float32)


def wide(x: jax.Array) -> jax.Array:
    return x.astype(wide_dtype(x))


def parts(leaf: Any) -> Any:
    """A leaf as a real array, or as two of them."""
    return {"real": jnp.real(leaf), "imag": jnp.imag(leaf)} if jnp.iscomplexobj(leaf) else jnp.asarray(leaf)


def inside(tree: Any) -> Any:
    """The trainable leaves as real arrays, any other as None."""
    return jax.tree.map(lambda leaf: parts(leaf) if trainable(leaf) else None, tree, is_leaf=is_none)


def outside(inner: Any, like: Any) -> Any:
    """`inner` as leaves of `like`: in its dtypes, and no movement where it was None."""

    def whole(leaf: Any, new: Any) -> Any:
        if new is None:
            is_number = hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.number)
            return jnp.zeros_like(leaf) if is_number else leaf
        dtype = jnp.result_type(leaf)
        if not isinstance(new, dict):
            return new.astype(dtype)
        real, imag = (new[part].astype(jnp.finfo(dtype).dtype) for part in ("real", "imag"))
        return jax.lax.complex(real, imag)

    return jax.tree.map(whole, like, inner, is_leaf=is_none)


def fitted(updates: Any, params: Any, widens: bool, any_shape: bool) -> Any:
    """The gradients of trainable parameters in the parameters' dtype, which is float32 or wider where the pair `widens`."""

    def fit(path: Any, update: Any, param: Any) -> Any:
        if not trainable(update) or not trainable(param):
            return None
        if jnp.shape(update) != jnp.shape(param) and not any_shape:
            name = jax.tree_util.keystr(path, simple=True, separator="/") or "(the leaf itself)"
            raise ValueError(f"The gradient at {name} has shape {jnp.shape(update)}, its parameter {jnp.shape(param)}.")
        return jnp.asarray(update, wide_dtype(param)) if widens else update

    return jax.tree_util.tree_map_with_path(fit, updates, params, is_leaf=is_none)


def mannered(init: Callable[..., Any], update: Callable[..., Any], *, widens: bool = True, any_shape: bool = False) -> Pair:
    """A pair from two functions of trees of real arrays, which see the trainable leaves alone.

    A gradient of another shape than its parameter is refused, but for a pair that takes `any_shape`. The updates leave in the dtype that
    the gradients had. The pair accepts the extras that `update` names, ignores those that loops pass to all, and refuses any other.
    """

    named = inspect.signature(update).parameters

    def init_all(params: Any) -> Any:
        if any(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in jax.tree.leaves(params)):
            return jax.eval_shape(init_all, params)
        inner = inside(params)
        return init(jax.tree.map(wide, inner) if widens else inner)

    def update_all(updates: Any, state: Any, params: Any = None, **extras: Any) -> Any:
        trained = fitted(updates, updates if params is None else params, widens, any_shape)
        read = {name: extra for name, extra in extras.items() if name in named or name not in CUSTOMARY}
        new, state = update(inside(trained), state, **read)
        return outside(new, updates), state

    arguments = list(inspect.signature(update).parameters.values())
    params = inspect.Parameter("params", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None)
    update_all.__signature__ = inspect.Signature([*arguments[:2], params, *arguments[2:]])  # type: ignore[attr-defined]
    return Pair(init_all, update_all)


def stateless(rule: Callable[..., Any], **manners: Any) -> Pair:
    """A rule for one array, without state."""
    return mannered(lambda params: {}, lambda updates, state: (jax.tree.map(rule, updates), state), **manners)


def zeros(params: Any) -> Any:
    return jax.tree.map(lambda p: jnp.zeros_like(wide(p)), params)
