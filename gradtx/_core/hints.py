"""What to write instead: how an error about an argument ends, read off what was given."""

import inspect
from typing import Any

import numpy as np

_INSTEAD_OF: tuple[tuple[Any, str], ...] = (
    ((bool, np.bool_), " Write 1.0 or 0.0, if one of them is meant."),
    (str, " Write the number without quotes."),
    (complex, " Take the real part."),
    ((list, tuple), " For a batch of optimizers, to run under jax.vmap, write jnp.array([...])."),
    (dict, " For a factor of its own for each leaf, put scale_by_tree(...) into the chain."),
)


def instead_of_number(value: Any) -> str:
    if value is None:
        return " Write the number, for example 0.1; None stands only where the factory's signature says so."
    if hasattr(value, "argument_kind") and not isinstance(value, type):
        return " A transformation stands in its place: are two arguments swapped?"
    if hasattr(value, "form"):
        return f" {value.form.name} is a factory: call it with its arguments, {value.form.name}(...)."
    if callable(value):
        return " A schedule is a value made by a factory such as linear_schedule(...); decorate your own with @schedule."
    return next((hint for kind, hint in _INSTEAD_OF if isinstance(value, kind)), "")


def instead_of_static(value: Any) -> str:
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return " Write a Python value, x.item() for one number; numbers that may be traced are annotated Number."
    return " Write a tuple." if isinstance(value, list) else ""


def instead_of_transformation(value: Any) -> str:
    if isinstance(value, float | int) and not isinstance(value, bool):
        return " Write trace(0.9) for v = 0.9 v + g, or ema(0.9) for v = 0.9 v + 0.1 g."
    if value is None:
        return " Write identity() for none, or leave the argument out where it has a default."
    if hasattr(value, "at_step"):
        return " A schedule stands for a number: write scale(schedule)."
    if isinstance(value, type):
        return " Call it with its arguments."
    if isinstance(value, list | tuple):
        return " The parts are arguments: write chain(a, b), or chain(*parts)."
    choice = isinstance(value, str) or inspect.isfunction(value)
    return " A choice of leaves, if that is what it is, comes first: freeze(where, inner)." if choice else ""
