"""A user's loss as a function of always the same arguments and results."""

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any, final

import jax
import jax.numpy as jnp

from gradtx._core.kinds import is_key
from gradtx._core.trees import path_name, structure_difference
from gradtx._core.types import PyTree

ASKED = ("key", "model_state")
"""What a loss may ask for by the name of an argument."""


def asked_by(function: Callable[..., Any], without_default: bool = False) -> frozenset[str]:
    """The arguments among `ASKED` that a function has, all of them or those that it cannot do without."""
    parameters = inspect.signature(function).parameters.values()
    asked = (p for p in parameters if p.name in ASKED and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY))
    return frozenset(p.name for p in asked if not without_default or p.default is p.empty)


@final
@dataclasses.dataclass(frozen=True)
class Loss:
    """`function(params, batch)` with what it asks for by name, computed in `compute_dtype`, its value in float32 or wider."""

    function: Callable[..., Any]
    has_aux: bool
    compute_dtype: Any

    def __call__(self, params: PyTree, batch: PyTree, key: Any, model_state: PyTree) -> tuple[jax.Array, tuple[PyTree, Any]]:
        """`(value, (model_state, aux))`, the latter None where there is none."""
        if self.compute_dtype is not None:
            params, batch = (jax.tree.map(self._computed, tree) for tree in (params, batch))
        available = {"key": key, "model_state": model_state}
        needed = asked_by(self.function, without_default=True)
        given = {name: available[name] for name in asked_by(self.function) if name in needed or available[name] is not None}
        result = self.function(params, batch, **given)
        value, model_state, aux = self._taken_apart(result, model_state)
        if not hasattr(value, "dtype") or jnp.shape(value) != () or not jnp.issubdtype(value.dtype, jnp.floating):
            raise TypeError(f"make_step: the loss must return {self._form}, its value a real scalar, and it returned {_seen(result)}.")
        return value.astype(jnp.promote_types(value.dtype, jnp.float32)), (model_state, jax.tree.map(jnp.asarray, aux))

    def _computed(self, leaf: Any) -> Any:
        floating = hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.floating)
        return leaf.astype(self.compute_dtype) if floating else leaf

    def _taken_apart(self, result: Any, model_state: PyTree) -> tuple[Any, PyTree, Any]:
        keeps = "model_state" in asked_by(self.function)
        if not keeps and not self.has_aux:
            return result, model_state, None
        if not isinstance(result, tuple) or len(result) != 1 + keeps + self.has_aux:
            raise TypeError(f"make_step: the loss must return {self._form}, and it returned {_seen(result)}.")
        value, *rest = result
        if keeps:
            model_state = _as_before(rest[0], model_state)
        return value, model_state, rest[-1] if self.has_aux else None

    @property
    def _form(self) -> str:
        return ", ".join(("value", *(["model_state"] * ("model_state" in asked_by(self.function))), *(["aux"] * self.has_aux)))


def _as_before(new: PyTree, old: PyTree) -> PyTree:
    """The new model state in the dtypes of the one before, between which steps are compiled once."""
    if jax.tree.structure(old) != jax.tree.structure(new):
        raise TypeError(f"make_step: the loss returned another model_state than it was given: {structure_difference(old, new)}.")

    def one(path: Any, old: Any, new: Any) -> jax.Array:
        kept, given = jnp.result_type(old), jnp.result_type(new)
        loses = (jnp.issubdtype(kept, kind) and not jnp.issubdtype(given, kind) for kind in (jnp.bool_, jnp.integer))
        if jnp.shape(new) != jnp.shape(old) or any(loses):
            was, now = (f"{jnp.result_type(x)}{list(jnp.shape(x))}" for x in (old, new))
            raise TypeError(
                f"make_step: the loss was given the model_state {path_name(path)} as {was}, and returned it as {now}, which does not fit. "
                "Begin with an array of that dtype and shape: jnp.zeros(()) for a running mean."
            )
        return new if is_key(new) else jnp.asarray(new, kept)

    return jax.tree_util.tree_map_with_path(one, old, new)


def _seen(result: Any) -> str:
    shapes = jax.tree.map(lambda leaf: f"{getattr(leaf, 'dtype', type(leaf).__name__)}{list(jnp.shape(leaf))}", result)
    return f"{shapes}. Write jnp.mean(...) for the value, and has_aux=True if the loss returns something beside it"
