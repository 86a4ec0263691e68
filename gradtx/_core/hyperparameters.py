"""Reading the hyperparameters in force."""

from typing import Any

import jax.numpy as jnp

from gradtx._core.call import Call
from gradtx._core.kinds import evaluated
from gradtx._core.run import labels
from gradtx._core.transformation import GradientTransformation
from gradtx._core.types import PyTree


def hyperparameters(tx: GradientTransformation, state: PyTree) -> dict[str, Any]:
    """The numbers that the next update will use: nested dicts by the name of the part and of the argument, schedules evaluated.

    `state` is the optimizer's state, whose `step` decides; it may be traced. Strings, functions and other structure
    are left out.
    """
    return _of_parts((tx,), jnp.asarray(state["step"]))


def _of_parts(parts: tuple[GradientTransformation, ...], step: Any) -> dict[str, Any]:
    if len(parts) == 1 and parts[0].form.composes:
        return _of_parts(parts[0].transformations, step)
    values = ((name, _of_arguments(part, step)) for name, part in zip(labels(parts), parts, strict=True))
    return {name: value for name, value in values if value}


def _of_arguments(part: Call, step: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in part.children():
        value = _of_parts((value,), step) if isinstance(value, GradientTransformation) else evaluated(value, step)
        if value is not None and not (isinstance(value, dict) and not value):
            found[name] = value
    return found
