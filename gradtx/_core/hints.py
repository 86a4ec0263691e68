"""What to write instead: how an error about an argument ends, read off what was given."""

import difflib
from collections.abc import Iterable
from typing import Any

import numpy as np

_INSTEAD_OF: tuple[tuple[Any, str], ...] = (
    ((bool, np.bool_), " Write 1.0 or 0.0, if one of them is meant."),
    (str, " Write the number without quotes."),
    (complex, " Take the real part."),
    ((list, tuple), " For a batch of optimizers, to run under jax.vmap, write jnp.array([...])."),
    (dict, " For a factor of its own for each leaf, put scale_by_tree(...) into the chain."),
)

_ELSEWHERE: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("lr", "rate", "eta", "step_size"), ("learning_rate",)),
    **dict.fromkeys(("beta1", "beta_1"), ("b1", "decay", "momentum")),
    **dict.fromkeys(("beta2", "beta_2"), ("b2", "second_decay", "decay")),
    **dict.fromkeys(("alpha", "rho", "beta", "gamma"), ("decay", "learning_rate")),
    **dict.fromkeys(("momentum", "nesterov"), ("momentum", "b1", "decay")),
    **dict.fromkeys(("mask", "weight_decay_mask"), ("where",)),
    **dict.fromkeys(("mu_dtype", "accumulator_dtype"), ("storage",)),
    **dict.fromkeys(("seed", "rng"), ("key",)),
    "betas": ("b1", "b2"),
    "epsilon": ("eps",),
    "damping": ("eps",),
    "wd": ("weight_decay",),
}
"""What arguments of other libraries are called here, whichever of these the factory has."""


def nearest(name: str, known: Iterable[str]) -> str:
    """` (did you mean 'value'?)` where something known is near, or is what others call so; nothing otherwise."""
    names = list(known)
    meant = [other for other in _ELSEWHERE.get(name, ()) if other in names]
    meant = meant if name == "betas" else meant[:1] or difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f" (did you mean {' and '.join(map(repr, meant))}?)" if meant else ""


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
        momentum = " Write trace(0.9) for v = 0.9 v + g, or ema(0.9) for v = 0.9 v + 0.1 g."
        return momentum if 0 <= value < 1 else " A number stands in its place: are two arguments swapped?"
    if value is None:
        return " Write identity() for none, or leave the argument out where it has a default."
    if hasattr(value, "at_step"):
        return " A schedule stands for a number: write scale(schedule)."
    if isinstance(value, type):
        return " Call it with its arguments."
    if isinstance(value, list | tuple):
        return " The parts are arguments: write chain(a, b), or chain(*parts)."
    if callable(value):
        return (
            f" If {getattr(value, '__name__', 'it')} is a factory, call it with its arguments. "
            "A choice of leaves, if that is what it is, comes first: freeze(where, inner)."
        )
    return " A choice of leaves, if that is what it is, comes first: freeze(where, inner)." if isinstance(value, str) else ""
