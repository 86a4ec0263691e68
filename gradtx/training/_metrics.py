"""What a training step says of itself."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx._core.kinds import is_real
from gradtx._core.types import PyTree


class Metrics(NamedTuple):
    """What a step returns beside parameters and state: a pytree, all of it at the parameters before the step.

    `value` is the loss, `aux` what the loss returns beside it, `observations` what the parts `gradtx.observe(...)` saw,
    `gradient_norm` ‖g‖ before the optimizer if asked for; `finite` says whether the step was taken and `loss_scale` what the loss
    was multiplied by, where there is a dynamic loss scale. The rest is None.
    """

    value: jax.Array
    aux: PyTree = None
    observations: dict[str, jax.Array] = {}  # noqa: RUF012 (never changed)
    gradient_norm: jax.Array | None = None
    finite: jax.Array | None = None
    loss_scale: jax.Array | None = None

    def scalars(self) -> dict[str, float]:
        """The real numbers in it as Python floats by name, for a log: `aux/accuracy`, observations by theirs; arrays are left out.

        An observation that is called like a field of a record, such as `value` or `step`, is `observations/value`.
        """
        taken = {*self._fields, "step", "evaluation"}
        named = {f"observations/{name}" if name in taken else name: seen for name, seen in self.observations.items()}
        named = {"value": self.value, "aux": self.aux, **named}
        named |= {"gradient_norm": self.gradient_norm, "finite": self.finite, "loss_scale": self.loss_scale}
        return scalars_of(named)


def scalars_of(tree: PyTree) -> dict[str, float]:
    """The real scalar leaves of a tree as Python floats, by their paths."""
    leaves = [(path, leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(tree) if _is_number(leaf)]
    numbers = jax.device_get([leaf for _, leaf in leaves])
    names = [jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in leaves]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise ValueError(f"Two of the metrics are called {twice}. Give one of them another name.")
    return {name: float(number) for name, number in zip(names, numbers, strict=True)}


def _is_number(leaf: Any) -> bool:
    return (hasattr(leaf, "dtype") or isinstance(leaf, bool | int | float)) and jnp.shape(leaf) == () and is_real(leaf)
