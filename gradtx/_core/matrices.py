"""Rules for stacks of matrices, run on all matrices of a tree at once."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp

from gradtx._core.layouts import placed, whole
from gradtx._core.numerics import matched, root
from gradtx._core.trees import path_name
from gradtx._core.types import PyTree


def check_matrices(tree: PyTree, part: str) -> None:
    """Make sure that every leaf is a matrix."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        if leaf.ndim != 2:
            raise ValueError(
                f"{part} is for matrices, and the leaf at {path_name(path)} has shape {tuple(leaf.shape)}. Give it to another optimizer: "
                f"partition((where, chain({part}(...), ...)), (None, adamw(...))), where `where` chooses the matrices, or freeze it."
            )


def alike(leaves: list[Any], kind: Callable[[Any], Any]) -> Iterator[tuple[Any, list[int]]]:
    """The places of the leaves that are of one kind, kind by kind, in the order in which the kinds come first."""
    places: dict[Any, list[int]] = {}
    for k, leaf in enumerate(leaves):
        places.setdefault(kind(leaf), []).append(k)
    yield from places.items()


def stacked(rule: Callable[..., jax.Array]) -> Callable[..., PyTree]:
    """Lift a rule for a stack of wide matrices to a tree: `rule(stack, **numbers)`, the stack of shape (k, m, n) with m <= n.

    Matrices of equal shape, transposed ones included, are one stack: the program grows with the number of shapes, not
    of leaves, and one batched product serves them all. Each leaf is seen whole, on whatever devices it lies; with `distribute`,
    the name of an axis of the mesh, each device along it works on its share of the stack, else each on all of it.
    """
    once = functools.cache(lambda: jax.jit(rule, static_argnames=("settings",)))

    @functools.wraps(rule)
    def lifted(tree: PyTree, settings: Any = None, distribute: str | None = None, **numbers: Any) -> PyTree:
        compiled = once()
        leaves, structure = jax.tree.flatten(tree)
        given = {} if settings is None else {"settings": settings}
        moved: list[Any] = [None] * len(leaves)
        for (_, dtype), places in alike(leaves, lambda leaf: (tuple(sorted(leaf.shape)), leaf.dtype)):
            stack = _shared_out(jnp.stack([_wide(whole(leaves[k])) for k in places]), distribute)
            result = compiled(stack, **given, **jax.tree.map(lambda number, dtype=dtype: matched(number, dtype), numbers))
            result = _shared_out(result, None)
            for row, k in enumerate(places):
                moved[k] = placed(_wide(result[row], leaves[k].shape), leaves[k])
        return structure.unflatten(moved)

    return lifted


def _wide(matrix: jax.Array, shape: tuple[int, ...] | None = None) -> jax.Array:
    """The matrix with its longer side last; or, given the shape it had, as it was."""
    rows, columns = matrix.shape if shape is None else shape
    return matrix.mT if rows > columns else matrix


def _shared_out(stack: jax.Array, axis: str | None) -> jax.Array:
    """The stack with a share of its matrices on each device along an axis of its mesh, or all on every device.

    Zeros fill up a stack that is no multiple. A compiler that is not told may split the matrices, and send parts of
    each product around.
    """
    mesh = jax.typeof(stack).sharding.mesh
    if mesh.empty or mesh.size == 1 or jax.sharding.AxisType.Manual in mesh.axis_types:
        return stack
    if axis is not None and axis not in mesh.shape:
        raise ValueError(f"distribute={axis!r} is no axis of the mesh, whose axes are {', '.join(mesh.axis_names)}.")
    missing = 0 if axis is None else -len(stack) % mesh.shape[axis]
    where = jax.NamedSharding(mesh, jax.P(axis, None, None))
    filled = jnp.pad(stack, ((0, missing), (0, 0), (0, 0))) if missing else stack
    explicit, spread = jax.sharding.AxisType.Auto not in mesh.axis_types, any(jax.typeof(stack).sharding.spec)
    if explicit and axis is None and not spread:
        return stack
    return (jax.sharding.reshard if explicit or spread else jax.lax.with_sharding_constraint)(filled, where)


def gathered(leaf: jax.Array) -> jax.Array:
    """The leaf with its rows and columns picked one by one, so that it does not matter where it lies, or will lie.

    A compiler that spreads a square of products as a leaf is spread moves it from where `init` put it, and the
    second step compiles anew. The barrier hides that all are picked.
    """
    for axis, size in enumerate(leaf.shape):
        leaf = jnp.take(leaf, jax.lax.optimization_barrier(jnp.arange(size)), axis=axis, mode="clip")
    return leaf


def over_norm(x: jax.Array, eps: Any, factor: Any = 1.0, axes: tuple[int, ...] = (-2, -1)) -> jax.Array:
    """x / (factor ‖x‖ + eps) with the Euclidean norm over `axes`, whatever the size of x: no square overflows or vanishes.

    Where x is zero so is its derivative, which would be 1 / eps.
    """
    largest = jax.lax.stop_gradient(jnp.max(jnp.abs(x), axis=axes, keepdims=True, initial=0))
    extreme = 2.0 ** (jnp.finfo(x.dtype).maxexp - 28)  # beyond it the reciprocal of a size may be no normal number
    size = jnp.clip(largest, 1 / extreme, extreme)
    y = jnp.where(largest == 0, 0, x / size)
    norm = root(jnp.sum(y * y, axis=axes, keepdims=True))
    return y / jnp.where(largest == 0, 1, factor * norm + eps / size)


def product(x: jax.Array, y: jax.Array) -> jax.Array:
    """The product of matrices in the full precision of their dtype."""
    return jnp.matmul(x, y, precision=jax.lax.Precision.HIGHEST)
