"""Optimizers as plain data, and back."""

import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.core
import jax.numpy as jnp
import numpy as np

from gradtx._core.call import FORMS, Call, nearest
from gradtx._core.kinds import shown
from gradtx._core.schedule import Schedule
from gradtx._core.transformation import GradientTransformation


def to_spec(tx: GradientTransformation | Schedule) -> dict[str, Any]:
    """The optimizer as JSON-able data: the factory's name and its arguments, nested.

    Factories of your own are named `module:name`. Functions among the arguments cannot be written down and are an
    error.
    """
    form = tx.form
    if FORMS.get(form.spec_name) is not form:
        raise ValueError(f"{form.spec_name} was defined again since; make the optimizer anew before writing it down.")
    return {
        "factory": form.spec_name,
        "arguments": {name: _encoded(value, f"{form.name}: {name}") for name, value in tx.arguments.items()},
    }


def from_spec(spec: Any) -> Any:
    """The optimizer (or schedule) that `to_spec` described.

    Only factories that were decorated, hence imported, can be named; nothing else is looked up, and nothing is
    executed but their calls.
    """
    if not isinstance(spec, Mapping) or set(spec) != {"factory", "arguments"}:
        raise ValueError(f"A spec is a dict with 'factory' and 'arguments', got {shown(spec)}.")
    name = spec["factory"]
    if name not in FORMS:
        raise ValueError(
            f"No factory is called {name!r}{nearest(str(name), FORMS)}. One of your own must be imported before its spec is read."
        )
    form = FORMS[name]
    arguments = {key: _decoded(value) for key, value in spec["arguments"].items()}
    return form.made(arguments)


def _encoded(value: Any, where: str) -> Any:
    if isinstance(value, Call):
        return to_spec(value)  # pyright: ignore[reportArgumentType]
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple):
        return {"tuple": [_encoded(item, where) for item in value]}
    if isinstance(value, list):
        return [_encoded(item, where) for item in value]
    if isinstance(value, dict):
        return {"dict": {key: _encoded(item, f"{where}[{key!r}]") for key, item in value.items()}}
    if isinstance(value, jax.Array | np.ndarray) and not isinstance(value, jax.core.Tracer):
        if jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
            return {"key": np.asarray(jax.random.key_data(value)).tolist(), "impl": str(jax.random.key_impl(value))}
        return {"array": np.asarray(value).tolist(), "dtype": str(value.dtype)}
    raise TypeError(f"{where} is {shown(value)}, which cannot be written as data.")


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return [_decoded(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    match dict(value):
        case {"float": text, **rest} if not rest:
            return float(text)
        case {"tuple": items, **rest} if not rest:
            return tuple(_decoded(item) for item in items)
        case {"dict": items, **rest} if not rest:
            return {key: _decoded(item) for key, item in items.items()}
        case {"array": items, "dtype": dtype, **rest} if not rest:
            return jnp.array(items, dtype)
        case {"key": items, "impl": impl, **rest} if not rest:
            return jax.random.wrap_key_data(jnp.array(items, jnp.uint32), impl=impl)
        case _:
            return from_spec(value)
