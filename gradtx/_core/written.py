"""How an argument is written: as the source that makes it again, or for reading."""

import inspect
import typing
from collections.abc import Callable
from typing import Any

import jax
import jax.core
import jax.numpy as jnp
import numpy as np

from gradtx._core.kinds import is_key


def source(value: Any) -> str:
    """How an argument is written in the call that makes it."""
    if isinstance(value, jax.Array | np.ndarray) and not isinstance(value, jax.core.Tracer):
        if is_key(value):
            return f"jax.random.wrap_key_data({source(jax.random.key_data(value))}, impl={str(jax.random.key_impl(value))!r})"
        narrowed = jax.dtypes.canonicalize_dtype(value.dtype) != value.dtype
        return f"{'numpy' if narrowed else 'jax.numpy'}.array({np.asarray(value).tolist()}, dtype={str(value.dtype)!r})"
    return _container(value, source)


def readable(value: Any) -> str:
    """An argument in short: concrete scalars in six digits, other arrays by shape and dtype."""
    if hasattr(value, "form") and hasattr(value, "arguments"):
        return str(value)
    if inspect.isfunction(value):
        return value.__name__
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, jax.Array | np.ndarray):
        scalar = value.shape == () and not isinstance(value, jax.core.Tracer) and jnp.issubdtype(value.dtype, np.number)
        return f"{value:.6g}" if scalar else f"{value.dtype}{list(value.shape)}"
    return _container(value, readable)


def _container(value: Any, write: Callable[[Any], str]) -> str:
    """Plain tuples, lists and dicts with what is in them written alike; the `repr` of anything else."""
    if type(value) is tuple:
        items = typing.cast(tuple[Any, ...], value)
        return f"({', '.join(map(write, items))}{',' if len(items) == 1 else ''})"
    if type(value) is list:
        return f"[{', '.join(map(write, typing.cast(list[Any], value)))}]"
    if type(value) is dict:
        items = typing.cast(dict[Any, Any], value).items()
        return f"{{{', '.join(f'{key!r}: {write(item)}' for key, item in items)}}}"
    return repr(value)
