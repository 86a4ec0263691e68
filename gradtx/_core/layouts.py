"""Layouts that are part of the types, as they are on meshes with explicit axes."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import jax
from jax.sharding import AxisType

Out = TypeVar("Out")


def is_told(sharding: Any) -> bool:
    """Whether it is a sharding that is part of an array's type; else the compiler decides."""
    return sharding is not None and AxisType.Explicit in sharding.mesh.axis_types


def laid_out(function: Callable[..., Out], shardings: Any, *arguments: Any) -> Out:
    """`function(*arguments)`, inside of which the compiler decides where arrays lie, and whose results lie as they are told to."""
    told = any(map(is_told, jax.tree.leaves(shardings)))
    return (cast(Any, jax.sharding.auto_axes)(function, out_sharding=shardings) if told else function)(*arguments)
