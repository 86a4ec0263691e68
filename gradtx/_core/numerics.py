"""Arithmetic that every rule shares: wide dtypes, roots that differentiate at zero, rules for one array lifted to trees."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradtx._core.types import PyTree

LAST_STEP = 2**31 - 1


def next_step(step: jax.Array) -> jax.Array:
    """The step count after `step`: it stays at the largest int32 instead of wrapping."""
    return jnp.minimum(step, LAST_STEP - 1) + 1


def reached(count: jax.Array, number: Any) -> jax.Array:
    """Whether a count of steps is at least `number`, which need not be whole, and may be traced."""
    return count.astype(float) >= jnp.asarray(number, float)


def widened(dtype: Any) -> Any:
    """The real dtype that arithmetic on leaves of `dtype` is done in: float32, or float64 where the leaf is that wide."""
    if jnp.issubdtype(dtype, jnp.complexfloating):
        dtype = jnp.finfo(dtype).dtype
    return jnp.dtype(jnp.float32) if jnp.finfo(dtype).bits < 32 else jnp.dtype(dtype)


def widest(tree: PyTree) -> Any:
    """The dtype of scalars that speak for a whole tree: the widest of its leaves, float32 at least."""
    return functools.reduce(jnp.promote_types, (leaf.dtype for leaf in jax.tree.leaves(tree)), jnp.dtype(jnp.float32))


def leafwise(rule: Callable[..., Any]) -> Callable[..., Any]:
    """Lift a rule for one array to trees: `rule(*arrays, **numbers)` becomes `lifted(*trees, **numbers)`.

    The rule is compiled under its own name, so that leaves of equal shape share one trace: a thousand leaves cost a
    thousand calls in the program, not a thousand copies of the rule. Numbers take the dtype of the leaf they meet.
    """
    once = functools.cache(lambda: jax.jit(rule))  # at the first use: dozens of rules would be wrapped on import

    @functools.wraps(rule)
    def lifted(*trees: PyTree, **numbers: Any) -> PyTree:
        compiled = once()
        in_dtype = functools.cache(lambda dtype: {name: matched(number, dtype) for name, number in numbers.items()})
        return jax.tree.map(lambda leaf, *others: compiled(leaf, *others, **in_dtype(leaf.dtype)), *trees)

    return lifted


def matched(number: Any, dtype: Any) -> Any:
    """`number` in `dtype`, without weak type, so that equal leaves share one trace whatever kind of number they meet."""
    if number is None:
        return None
    if isinstance(number, jax.Array):
        return jax.lax.convert_element_type(number, dtype)
    return np.asarray(number, dtype)


def strong(number: Any) -> jax.Array:
    """An array without weak type, whose dtype does not give way to that of what it meets."""
    array = jnp.asarray(number)
    return jax.lax.convert_element_type(array, array.dtype) if jnp.issubdtype(array.dtype, jnp.number) else array


@leafwise
def weighted_sum(x: jax.Array, y: jax.Array, *, of_x: Any, of_y: Any) -> jax.Array:
    return of_x * x + of_y * y


def averaged(average: PyTree, x: PyTree, *, decay: Any) -> PyTree:
    """One step of an exponentially weighted average."""
    return weighted_sum(average, x, of_x=decay, of_y=1 - decay)


def filled(tree: PyTree, *, value: Any) -> PyTree:
    """A tree like this one that holds `value` everywhere, each leaf where the other lies."""
    return jax.tree.map(lambda x: jnp.full_like(x, matched(value, x.dtype)), tree)


def largest_root(dtype: Any) -> float:
    """A size of which 2²⁴ squares can be added before they overflow `dtype`: 2⁵² for float32, 2⁵⁰⁰ for float64."""
    return 2.0 ** ((jnp.finfo(dtype).maxexp - 24) // 2)


@leafwise
def squared(x: jax.Array) -> jax.Array:
    """x², cut off at `largest_root`²: a huge gradient makes a second moment huge, which passes, and not infinite, which stays."""
    return jnp.minimum(x * x, largest_root(x.dtype) ** 2)


def cut_off(x: jax.Array) -> jax.Array:
    """x, at most `largest_root` in size: the numerator over a root of squares that were cut off there."""
    bound = np.asarray(largest_root(x.dtype), x.dtype)
    return jax.lax.clamp(np.negative(bound), x, bound)


@leafwise
def squared_distance(x: jax.Array, y: jax.Array) -> jax.Array:
    return jnp.minimum(jnp.square(x - y), largest_root(x.dtype) ** 2)


@leafwise
def bounded(x: jax.Array) -> jax.Array:
    """x, cut off where `squared` stops, so that statistics of both agree."""
    return cut_off(x)


@leafwise
def plus(x: jax.Array, *, by: Any) -> jax.Array:
    return x + by


@leafwise
def scaled(x: jax.Array, *, by: Any) -> jax.Array:
    return by * x


@leafwise
def divided(x: jax.Array, *, by: Any) -> jax.Array:
    return x / by


@jax.custom_jvp
def root(x: jax.Array) -> jax.Array:
    """The square root with derivative 0 at 0, so that a gradient that was always zero cannot make a hypergradient NaN."""
    return jnp.sqrt(x)


@root.defjvp
def _root_jvp(primals: tuple[jax.Array], tangents: tuple[jax.Array]) -> tuple[jax.Array, jax.Array]:
    (x,), (dx,) = primals, tangents
    y = root(x)
    return y, jnp.where(y > 0, 0.5 / jnp.where(y > 0, y, 1), 0) * dx


def power(x: jax.Array, exponent: Any) -> jax.Array:
    """`x ** exponent` for x >= 0, with value and derivatives 0 at 0."""
    return jnp.where(x > 0, jnp.where(x > 0, x, 1) ** exponent, 0)


@functools.partial(jax.jit, inline=True)
def global_norm(tree: PyTree) -> jax.Array:
    """The Euclidean norm of all leaves together, in the widest dtype among them, at most its largest number.

    Where a square overflows, the leaves are read once more, made small by a power of two. Compiled as one, since a conditional outside
    of a compiled step would be compiled at every call.
    """
    dtype = widest(tree)
    leaves = [leaf.astype(dtype) for leaf in jax.tree.leaves(tree)]
    squares = [jnp.sum(jnp.square(leaf)) for leaf in leaves]
    square = sum(squares, jnp.zeros((), dtype))
    small, largest = 2.0 ** -(jnp.finfo(dtype).maxexp * 5 // 8), float(jnp.finfo(dtype).max)

    def of_small() -> jax.Array:
        # `small`, as no compiler can know: where the factor is a constant, XLA on a GPU takes the square of x · small for x² · small²,
        # which is infinity times zero, and on a CPU it spreads the factor out in memory, as large as a leaf. Where it is less than
        # `small`, the leaf is nothing beside the one that overflowed.
        factors = [jnp.minimum(each, small) for each in squares]
        sums = [jnp.sum(jnp.square(leaf * by)) for leaf, by in zip(leaves, factors, strict=True)]
        total = sum(sums, jnp.zeros((), dtype))
        return jnp.where(jnp.isfinite(total), jnp.minimum(root(total) / small, largest), total)

    return jax.lax.cond(jnp.isfinite(square), lambda: root(square), of_small)
