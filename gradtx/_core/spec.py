"""Optimizers as plain data, and back."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, cast

import jax
import jax.core
import jax.numpy as jnp
import numpy as np

from gradtx._core.at_first_use import import_all
from gradtx._core.call import FORMS, Call
from gradtx._core.hints import nearest
from gradtx._core.kinds import is_key, shown
from gradtx._core.schedule import Schedule
from gradtx._core.transformation import GradientTransformation


def to_spec(tx: GradientTransformation | Schedule) -> dict[str, Any]:
    """The optimizer as JSON-able data: the factory's name and its arguments, nested.

    Factories of your own are named `module:name`. Functions and NamedTuples among the arguments cannot be written
    down and are an error.
    """
    if not isinstance(cast(Any, tx), Call):
        raise TypeError(f"to_spec(tx): tx must be a transformation or a schedule of gradtx, got {shown(tx)}.{_hint(tx)}")
    form = tx.form
    if FORMS.get(form.spec_name) is not form:
        raise ValueError(f"{form.spec_name} was defined again since; make the optimizer anew before writing it down.")
    return {
        "factory": form.spec_name,
        "arguments": {name: _encoded(value, f"{form.name}: {name}") for name, value in tx.arguments.items()},
    }


def _hint(value: Any) -> str:
    if hasattr(value, "form"):
        return f" It is a factory: call it, {value.form.usage}."
    if hasattr(value, "init") and hasattr(value, "update"):
        return " Another library's optimizer is made of functions, which cannot be written as data."
    return ""


def from_spec(spec: Any) -> Any:
    """The optimizer (or schedule) that `to_spec` described.

    Only factories that were decorated, hence imported, can be named; nothing else is looked up, and nothing is
    executed but their calls. An error says where in the spec it is.
    """
    try:
        return _made(spec, "spec")
    except RecursionError:
        raise ValueError("spec is nested too deeply, or contains itself.") from None


def _made(spec: Any, where: str) -> Any:
    if not isinstance(spec, Mapping) or set(cast(Mapping[Any, Any], spec)) != {"factory", "arguments"}:
        given = f"the keys {list(cast(Mapping[Any, Any], spec))}" if isinstance(spec, Mapping) else shown(spec)
        raise ValueError(f"{where}: A spec is a dict with 'factory' and 'arguments', got {given}.")
    name, arguments = spec["factory"], spec["arguments"]
    if isinstance(name, str) and name not in FORMS:
        import_all()
    if not isinstance(name, str) or name not in FORMS:
        known = f"{name!r}{nearest(str(name), FORMS)}"
        raise ValueError(f"{where}: No factory is called {known}. One of your own must be imported before its spec is read.")
    if not isinstance(arguments, Mapping) or not all(isinstance(key, str) for key in cast(Mapping[Any, Any], arguments)):
        raise ValueError(f"{where}['arguments'] must be a dict by the names of {name}'s arguments, got {shown(arguments)}.")
    items = cast(Mapping[str, Any], arguments).items()
    values = {key: _decoded(value, f"{where}['arguments'][{key!r}]") for key, value in items}
    return _tried(lambda: FORMS[name].made(values), where)


def _tried(make: Callable[[], Any], where: str, expected: str = "") -> Any:
    """What `make` returns, or its error with the place in the spec."""
    try:
        return make()
    except (TypeError, ValueError, AttributeError, OverflowError, re.error) as error:
        kind = TypeError if isinstance(error, TypeError) and not expected else ValueError
        raise kind(f"{where}{expected}: {error}") from None


def _encoded(value: Any, where: str) -> Any:
    if isinstance(value, Call):
        return to_spec(cast(GradientTransformation, value))
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(float(value))}
    if value is None or type(value) in (bool, int, float, str):
        return value
    if type(value) is tuple:
        return {"tuple": [_encoded(item, f"{where}[{k}]") for k, item in enumerate(cast(tuple[Any, ...], value))]}
    if type(value) is list:
        return [_encoded(item, f"{where}[{k}]") for k, item in enumerate(cast(list[Any], value))]
    if type(value) is dict:
        return _encoded_dict(cast(dict[Any, Any], value), where)
    if isinstance(value, jax.Array | np.ndarray) and not isinstance(value, jax.core.Tracer):
        return _encoded_array(value)
    if isinstance(value, re.Pattern):
        return {"regex": value.pattern, "flags": value.flags}
    named = " Its names would be lost; write a plain tuple or a dict." if hasattr(value, "_fields") else ""
    raise TypeError(f"{where} is {shown(value)}, which cannot be written as data.{named}")


def _encoded_dict(value: dict[Any, Any], where: str) -> dict[str, Any]:
    """JSON has keys that are strings; others are written in pairs."""
    items = {key: _encoded(item, f"{where}[{key!r}]") for key, item in value.items()}
    if all(type(key) is str for key in items):
        return {"dict": items}
    return {"pairs": [[_encoded(key, f"{where}, its key {key!r}"), item] for key, item in items.items()]}


def _encoded_array(value: Any) -> dict[str, Any]:
    if is_key(value):
        return {"key": np.asarray(jax.random.key_data(value)).tolist(), "impl": str(jax.random.key_impl(value))}
    shape = {} if value.size else {"shape": list(value.shape)}
    return {"array": _encoded(np.asarray(value).tolist(), ""), "dtype": str(value.dtype), **shape}


def _decoded(value: Any, where: str) -> Any:
    if isinstance(value, list):
        return [_decoded(item, f"{where}[{k}]") for k, item in enumerate(cast(list[Any], value))]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if not isinstance(value, Mapping):
        raise ValueError(f"{where} must be JSON data (None, a bool, a number, a string, a list or a dict), got {shown(value)}.")
    entry = dict(cast(Mapping[Any, Any], value))
    match entry:
        case {"float": ("nan" | "inf" | "-inf") as text, **rest} if not rest:
            return float(text)
        case {"tuple": list(items), **rest} if not rest:
            return tuple(_decoded(cast(list[Any], items), f"{where}['tuple']"))
        case {"dict": dict(items), **rest} if not rest:
            return {key: _decoded(item, f"{where}['dict'][{key!r}]") for key, item in cast(dict[Any, Any], items).items()}
        case {"pairs": list(items), **rest} if not rest:
            return _decoded_pairs(cast(list[Any], items), f"{where}['pairs']")
        case {"array": list() | int() | float() as items, "dtype": str(dtype), **rest} if not rest or set(rest) == {"shape"}:
            numbers = _decoded(items, f"{where}['array']")
            return _tried(lambda: _array(numbers, dtype, rest.get("shape")), where, " is no array")
        case {"key": list(items), "impl": str(impl), **rest} if not rest:
            data = cast(list[Any], items)
            return _tried(lambda: jax.random.wrap_key_data(jnp.array(data, jnp.uint32), impl=impl), where, " is no key")
        case {"regex": str(pattern), "flags": int(flags), **rest} if not rest:
            return _tried(lambda: re.compile(pattern, flags), where, " is no regular expression")
        case {"factory": _} | {"arguments": _}:
            return _made(entry, where)
        case _:
            forms = ", ".join(_TAGS.values())
            given = f"{shown(entry)}{_nearest_tag(entry)}"
            raise ValueError(f"{where} must be a spec with 'factory' and 'arguments', or one of {forms}, got {given}.")


_TAGS = {
    "float": "{'float': 'nan' | 'inf' | '-inf'}",
    "tuple": "{'tuple': [...]}",
    "dict": "{'dict': {...}}",
    "pairs": "{'pairs': [[key, value], ...]}",
    "array": "{'array': [...], 'dtype': ...}",
    "key": "{'key': [...], 'impl': ...}",
    "regex": "{'regex': ..., 'flags': ...}",
}


def _nearest_tag(entry: dict[Any, Any]) -> str:
    return "".join(nearest(key, {*_TAGS, "factory", "arguments"}) for key in entry if isinstance(key, str) and key not in _TAGS)


def _decoded_pairs(items: list[Any], where: str) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for k, item in enumerate(items):
        if not isinstance(item, list) or len(cast(list[Any], item)) != 2:
            raise ValueError(f"{where}[{k}] must be a list of a key and a value, got {shown(item)}.")
        key, value = _decoded(item, f"{where}[{k}]")
        _tried(lambda key=key: hash(key), f"{where}[{k}][0]", " must be hashable, a tuple and no list")
        found[key] = value
    return found


def _array(items: Any, dtype: str, shape: Any) -> Any:
    """In the dtype that was written: NumPy's where JAX would narrow it."""
    if not jnp.issubdtype(jnp.dtype(dtype), jnp.number):
        raise ValueError(f"{dtype} is no dtype of numbers")
    array = np.array(items, jnp.dtype(dtype))
    array = array if shape is None else array.reshape(shape)
    return jnp.asarray(array) if jax.dtypes.canonicalize_dtype(array.dtype) == array.dtype else array
