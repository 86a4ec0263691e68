"""Transformations with one planted bug each, beside their repaired twins, for whatever claims to find bugs.

They are plain pairs of functions, as another library would write them: gradtx's own contract would mend most of these by itself. All have
the same good manners but for their bug, so that a broken one breaks the law that it is about and, as far as the bug allows, no other.
Each is a function of its learning rate, which may be a tracer.
"""

import dataclasses
import functools
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradtx import apply_updates
from gradtx.testing import Case, Survival
from tests.mannered import Pair, is_none, mannered, stateless, trainable, wide, zeros
from tests.references import averages, momentum

LARGEST = np.iinfo(np.int32).max


def scaled(factor: Any, tree: Any) -> Any:
    return jax.tree.map(lambda x: factor * x, tree)


def started() -> jax.Array:
    return jnp.zeros((), jnp.int32)


def counted(count: jax.Array) -> jax.Array:
    """One more, up to the largest."""
    return jnp.where(count < LARGEST, count + 1, count)


def inverse_root(count: jax.Array, like: jax.Array) -> jax.Array:
    return 1 / jnp.sqrt(count.astype(like.dtype))


def starting_point(learning_rate: Any, copy: Callable[[Any], Any]) -> Pair:
    """Descent that remembers where it started."""

    def init(params: Any) -> Any:
        return {"start": jax.tree.map(copy, params)}

    return mannered(init, lambda updates, state: (scaled(-learning_rate, updates), state))


def slowing_in_python(learning_rate: Any) -> Pair:
    """Descent with steps that shrink as 1 / √t; t is a number of the closure, which jit reads once."""
    t = 0

    def update(updates: Any, state: Any) -> Any:
        nonlocal t
        t += 1
        return scaled(-learning_rate / t**0.5, updates), state

    return mannered(lambda params: {}, update)


def slowing(learning_rate: Any, more: Callable[[jax.Array], jax.Array]) -> Pair:
    """The same with t in the state; `more` counts."""

    def update(updates: Any, state: Any) -> Any:
        t = more(state["t"])
        return jax.tree.map(lambda g: -learning_rate * g * inverse_root(t, g), updates), {"t": t}

    return mannered(lambda params: {"t": started()}, update)


def slowing_in_place(learning_rate: Any) -> Pair:
    """The same, counting in the dict that came in."""

    def update(updates: Any, state: Any) -> Any:
        state["t"] = counted(state["t"])
        return jax.tree.map(lambda g: -learning_rate * g * inverse_root(state["t"], g), updates), state

    return mannered(lambda params: {"t": started()}, update)


def clipping_in_python(learning_rate: Any) -> Pair:
    def rule(g: jax.Array) -> jax.Array:
        if jnp.any(jnp.abs(g) > 1):
            g = jnp.clip(g, -1, 1)
        return -learning_rate * g

    return stateless(rule)


def clipping(learning_rate: Any) -> Pair:
    return stateless(lambda g: -learning_rate * jnp.clip(g, -1, 1))


def averaging(learning_rate: Any, **manners: bool) -> Pair:
    """Descent along a long average, which is kept in the dtype in which the pair sees its parameters."""

    def update(updates: Any, state: Any) -> Any:
        average = jax.tree.map(lambda m, g: 0.999 * m + 0.001 * g.astype(m.dtype), state["average"], updates)
        return scaled(-learning_rate, average), {"average": average}

    return mannered(lambda params: {"average": jax.tree.map(jnp.zeros_like, params)}, update, **manners)


def scaling_by_value(learning_rate: Any) -> Pair:
    """Descent in proportion to the loss."""

    def update(updates: Any, state: Any, *, value: Any) -> Any:
        return jax.tree.map(lambda g: -learning_rate * g * jnp.asarray(value, g.dtype), updates), state

    return mannered(lambda params: {}, update)


def scaling_by_value_if_given(learning_rate: Any) -> Pair:
    """The same, and plain descent where there is no loss."""
    scaling = scaling_by_value(learning_rate)

    def update(updates: Any, state: Any, params: Any = None, *, value: Any = 1.0, **extras: Any) -> Any:
        return scaling.update(updates, state, params, value=value, **extras)

    return Pair(scaling.init, update)


def chained(part: Pair, forwards: bool) -> Pair:
    """A chain of one part and another that does nothing."""

    def update(updates: Any, state: Any, params: Any = None, *, value: Any, **extras: Any) -> Any:
        read = {"value": value, **extras} if forwards else extras
        updates, first = part.update(updates, state["first"], params, **read)
        return updates, {"first": first, "second": {}}

    return Pair(lambda params: {"first": part.init(params), "second": {}}, update)


def scaling_by_any_extra(learning_rate: Any) -> Pair:
    """The same as `scaling_by_value`; whatever else is given is swallowed."""

    def update(updates: Any, state: Any, *, value: Any, **extras: Any) -> Any:
        del extras
        return jax.tree.map(lambda g: -learning_rate * g * jnp.asarray(value, g.dtype), updates), state

    return mannered(lambda params: {}, update)


def optimistic(learning_rate: Any, kept: Callable[[jax.Array, jax.Array], jax.Array]) -> Pair:
    """Descent along 2 gₜ − gₜ₋₁; `kept(g, before)` is what it remembers of the gradient instead of the one before."""

    def update(updates: Any, state: Any) -> Any:
        new = jax.tree.map(lambda g, before: -learning_rate * (2 * wide(g) - before), updates, state["before"])
        return new, {"before": jax.tree.map(kept, updates, state["before"])}

    return mannered(lambda params: {"before": zeros(params)}, update, widens=False)


def leaving_wide(learning_rate: Any) -> Pair:
    """Descent whose updates leave in float32, whatever came in."""
    descent = stateless(lambda g: -learning_rate * g)

    def update(updates: Any, state: Any, params: Any = None, **extras: Any) -> Any:
        return descent.update(jax.tree.map(lambda g: wide(jnp.asarray(g)) if trainable(g) else g, updates), state, params, **extras)

    return Pair(descent.init, update)


def correcting(learning_rate: Any, late: int) -> Pair:
    """Descent along an average divided by 1 − 0.9ᵗ, with t `late` by so many steps."""

    def update(updates: Any, state: Any) -> Any:
        average = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, state["average"], updates)
        t = counted(state["t"])

        def corrected(m: jax.Array) -> jax.Array:
            return -learning_rate * m / (1 - 0.9 ** (t.astype(m.dtype) + late))

        return jax.tree.map(corrected, average), {"average": average, "t": t}

    return mannered(lambda params: {"average": zeros(params), "t": started()}, update)


def remembering(learning_rate: Any, applies: str) -> Pair:
    """Descent that keeps its last update, and applies the one before or this one."""

    def update(updates: Any, state: Any) -> Any:
        steps = {"before": state["last"], "now": scaled(-learning_rate, updates)}
        return steps[applies], {"last": steps["now"]}

    return mannered(lambda params: {"last": zeros(params)}, update)


def noisy(learning_rate: Any, moves_on: bool, by_leaf: bool) -> Pair:
    """Descent with Gaussian noise. Its key moves on from step to step, and each leaf has its own."""

    def update(updates: Any, state: Any) -> Any:
        following, now = jax.random.split(state["key"])

        def rule(path: Any, g: jax.Array) -> jax.Array:
            name = jax.tree_util.keystr(path, simple=True, separator="/")
            key = jax.random.fold_in(now, zlib.crc32(name.encode()) if by_leaf else 0)
            return -learning_rate * (g + 0.01 * jax.random.normal(key, g.shape, g.dtype))

        return jax.tree_util.tree_map_with_path(rule, updates), {"key": following if moves_on else state["key"]}

    return mannered(lambda params: {"key": jax.random.key(0)}, update)


def largest(updates: Any) -> jax.Array:
    """The largest size of any element of any leaf, or 1. A constant to derivatives, which custom batching cannot take."""
    sizes = [jnp.max(jnp.abs(g), initial=1) for g in jax.tree.leaves(updates)]
    return jnp.max(jnp.stack(sizes)) if sizes else jnp.ones(())


largest_of_the_batch = jax.custom_batching.custom_vmap(largest)


@largest_of_the_batch.def_vmap
def _(axis_size: int, in_batched: Any, updates: Any) -> Any:
    """A kernel's own rule for batches, which mixes the members of the batch."""
    del in_batched
    return jnp.full(axis_size, largest(updates)), True


def dividing_by_largest(learning_rate: Any, size: Callable[[Any], jax.Array]) -> Pair:
    """Descent divided by the largest element of the whole gradient where that is above 1."""
    return mannered(
        lambda params: {}, lambda updates, state: (scaled(-learning_rate / size(jax.lax.stop_gradient(updates)), updates), state)
    )


def fading(learning_rate: Any, start: Callable[[], jax.Array]) -> Pair:
    """Descent whose steps shrink by a hundredth; `start` makes the factor."""

    def update(updates: Any, state: Any) -> Any:
        factor = state["factor"] * jnp.float32(0.99)
        return jax.tree.map(lambda g: -learning_rate * g * state["factor"].astype(g.dtype), updates), {"factor": factor}

    return mannered(lambda params: {"factor": start()}, update)


def watching(learning_rate: Any, start: Callable[[Any], Any]) -> Pair:
    """Descent that shows the gradient that it saw."""

    def update(updates: Any, state: Any) -> Any:
        return scaled(-learning_rate, updates), {"seen": updates}

    return mannered(start, update)


def taking_roots(learning_rate: Any, root: Callable[[jax.Array], jax.Array]) -> Pair:
    """Descent along sign(g) √|g|."""
    return stateless(lambda g: -learning_rate * jnp.sign(g) * root(jnp.abs(g)))


def safe_root(x: jax.Array) -> jax.Array:
    positive = x > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, x, 1)), 0)


def normalizing(learning_rate: Any, widens: bool) -> Pair:
    """Descent along g / (|g| + ε), with an ε that float16 does not have."""
    return stateless(lambda g: -learning_rate * g / (jnp.abs(g) + 1e-8), widens=widens)


def every_other(learning_rate: Any, choose: Callable[..., jax.Array]) -> Pair:
    """Descent along the sum of two gradients, at the first step and every other; `choose(when, x)` is x when it is due, else 0."""

    def update(updates: Any, state: Any) -> Any:
        total = jax.tree.map(jnp.add, state["total"], updates)
        due = state["due"]
        new = jax.tree.map(lambda x: choose(due, -learning_rate * x), total)
        return new, {"total": jax.tree.map(lambda x: choose(~due, x), total), "due": ~due}

    return mannered(lambda params: {"total": zeros(params), "due": jnp.ones((), bool)}, update)


def multiplied(when: jax.Array, x: jax.Array) -> jax.Array:
    return when.astype(x.dtype) * x


def chosen(when: jax.Array, x: jax.Array) -> jax.Array:
    return jnp.where(when, x, 0)


def training_integers(learning_rate: Any) -> Pair:
    """Descent on integers too, as if they were float32."""
    descent = stateless(lambda g: -learning_rate * g)

    def as_float(leaf: Any) -> Any:
        is_integer = hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.integer)
        return leaf.astype(jnp.float32) if is_integer else leaf

    def update(updates: Any, state: Any, params: Any = None, **extras: Any) -> Any:
        return descent.update(jax.tree.map(as_float, updates), state, jax.tree.map(as_float, params), **extras)

    return Pair(descent.init, update)


def dividing_by_square(learning_rate: Any, limit: float) -> Pair:
    """Descent divided by the root of an average square, of a gradient clipped at `limit`."""

    def update(updates: Any, state: Any) -> Any:
        square = jax.tree.map(lambda v, g: 0.9 * v + 0.1 * jnp.clip(g, -limit, limit) ** 2, state["square"], updates)
        new = jax.tree.map(lambda g, v: -learning_rate * jnp.clip(g, -limit, limit) / jnp.sqrt(v + 1e-12), updates, square)
        return new, {"square": square}

    return mannered(lambda params: {"square": zeros(params)}, update)


def dividing_by_deviation(learning_rate: Any, above: Callable[[jax.Array], jax.Array]) -> Pair:
    """Descent divided by √variance, the mean square less the squared mean, which `above` keeps from falling below zero."""

    def update(updates: Any, state: Any) -> Any:
        g = jax.tree.map(lambda g: jnp.clip(g, -1e15, 1e15), updates)
        mean = jax.tree.map(lambda m, g: 0.8 * m + 0.2 * g, state["mean"], g)
        square = jax.tree.map(lambda v, g: 0.8 * v + 0.2 * g * g, state["square"], g)
        new = jax.tree.map(lambda g, m, v: -learning_rate * g / jnp.sqrt(above(v - m * m) + 1e-12), g, mean, square)
        return new, {"mean": mean, "square": square}

    return mannered(lambda params: {"mean": zeros(params), "square": zeros(params)}, update)


def refusing_extras(learning_rate: Any) -> Pair:
    """Descent that takes no extra at all."""
    descent = stateless(lambda g: -learning_rate * g)

    def update(updates: Any, state: Any, params: Any = None) -> Any:
        return descent.update(updates, state, params)

    return Pair(descent.init, update)


def decaying(learning_rate: Any, asks: bool) -> Pair:
    """Descent with weight decay; without parameters it asks for them, or leaves the decay out."""
    descent = stateless(lambda g: -learning_rate * g)

    def decayed(u: Any, p: Any) -> Any:
        return u - (learning_rate * 0.01 * p).astype(u.dtype) if trainable(u) and trainable(p) else u

    def update(updates: Any, state: Any, params: Any = None, **extras: Any) -> Any:
        new, state = descent.update(updates, state, params, **extras)
        if params is None and asks:
            raise ValueError("weight decay needs the parameters: call update(gradients, state, params).")
        return new if params is None else jax.tree.map(decayed, new, jax.tree.map(jnp.asarray, params), is_leaf=is_none), state

    return Pair(descent.init, update)


def taking_signs(learning_rate: Any, size: Callable[[jax.Array], jax.Array]) -> Pair:
    """Descent along g / |g|, and none where that is 0 / 0."""
    return stateless(lambda g: jnp.where(g == 0, 0, -learning_rate * g / size(g)))


def scheduled(learning_rate: Any, ahead: int) -> Pair:
    """Descent whose rate may be a function of the count; it takes the smaller of its values now and `ahead`."""

    def rate(count: jax.Array) -> Any:
        return learning_rate(count) if callable(learning_rate) else learning_rate

    def update(updates: Any, state: Any) -> Any:
        smaller = jnp.minimum(rate(state["t"]), rate(state["t"] + ahead))
        return jax.tree.map(lambda g: -smaller.astype(g.dtype) * g, updates), {"t": counted(state["t"])}

    return mannered(lambda params: {"t": started()}, update)


def careful(learning_rate: Any, smaller: Callable[[Any, Any], Any]) -> Pair:
    """Descent whose rate is at most 1; `smaller` chooses."""
    return stateless(lambda g: -smaller(learning_rate, 1.0) * g)


def warming_up(learning_rate: Any, warmup: Any, larger: Callable[[Any, Any], Any]) -> Pair:
    """Descent whose rate rises linearly over the first steps; `larger` keeps their number from being zero."""

    def update(updates: Any, state: Any) -> Any:
        t = counted(state["t"])

        def rule(g: jax.Array) -> jax.Array:
            steps = larger(warmup, 1)
            return -learning_rate * g * jnp.minimum(t / steps, 1).astype(g.dtype)

        return jax.tree.map(rule, updates), {"t": t}

    return mannered(lambda params: {"t": started()}, update)


def searching(learning_rate: Any, moves_on: bool) -> Pair:
    """A random search: a Gaussian step where it lowers the loss, none where it does not."""
    draws = noisy(learning_rate, moves_on, by_leaf=True)

    def none(leaf: Any) -> Any:
        return jnp.zeros_like(leaf) if trainable(leaf) else leaf

    def update(updates: Any, state: Any, params: Any = None, *, value_fn: Any, **extras: Any) -> Any:
        if params is None:
            raise ValueError("a random search needs the parameters: call update(gradients, state, params).")
        still = jax.tree.map(none, updates)
        step, state = draws.update(still, state, params, **extras)
        better = value_fn(apply_updates(params, step)) < value_fn(params)
        return jax.tree.map(lambda d, s: jnp.where(better, d, s) if trainable(s) else d, step, still, is_leaf=is_none), state

    return Pair(draws.init, update)


def counting_as(learning_rate: Any, number: Callable[[jax.Array, jax.Array], jax.Array]) -> Pair:
    """Descent whose steps are a tenth smaller each; `number(t, g)` is the exponent."""

    def update(updates: Any, state: Any) -> Any:
        new = jax.tree.map(lambda g: -learning_rate * g * 0.9 ** number(state["t"], g), updates)
        return new, {"t": counted(state["t"])}

    return mannered(lambda params: {"t": started()}, update)


def listing(learning_rate: Any, keeps: bool) -> Pair:
    """Descent, which keeps a list of the gradients that it saw, for a look at them later."""
    seen: list[Any] = []

    def rule(g: jax.Array) -> jax.Array:
        if keeps:
            seen.append(g)
        return -learning_rate * g

    return stateless(rule)


def slowing_from(learning_rate: Any, start: Callable[[], Callable[[], jax.Array]]) -> Pair:
    """Descent with steps that shrink as 1 / √t; `start()` gives what makes the first count."""
    first = start()

    def update(updates: Any, state: Any) -> Any:
        t = counted(state["t"])
        return jax.tree.map(lambda g: -learning_rate * g * inverse_root(t, g), updates), {"t": t}

    return mannered(lambda params: {"t": first()}, update)


def one_for_all() -> Callable[[], jax.Array]:
    zero = started()
    return lambda: zero


def one_for_each() -> Callable[[], jax.Array]:
    return started


def bounding(learning_rate: Any, bounded: Callable[[jax.Array], jax.Array]) -> Pair:
    """Descent along g / max(|g|, 1)."""

    def update(updates: Any, state: Any, params: Any = None, **extras: Any) -> Any:
        return descent.update(jax.tree.map(lambda g: bounded(jnp.asarray(g)) if trainable(g) else g, updates), state, params, **extras)

    descent = descending(learning_rate)
    return Pair(descent.init, update)


def within_one(g: jax.Array) -> jax.Array:
    return (g / jnp.maximum(jnp.abs(g), 1)).astype(g.dtype)


def within_one_by_parts(g: jax.Array) -> jax.Array:
    return jax.lax.complex(within_one(g.real), within_one(g.imag)) if jnp.iscomplexobj(g) else within_one(g)


def fading_with_depth(learning_rate: Any, factor: float) -> Pair:
    """Descent that is `factor` slower with each leaf of the tree than with the one before."""

    def update(updates: Any, state: Any) -> Any:
        leaves, structure = jax.tree.flatten(updates)
        return structure.unflatten([-learning_rate * factor**k * leaf for k, leaf in enumerate(leaves)]), state

    return mannered(lambda params: {}, update)


@dataclasses.dataclass(frozen=True, eq=False)
class Planted:
    """A bug: the law of the kit that catches it, what is wrong, the transformation that has it, and its twin without it."""

    name: str
    law: str
    wrong: str
    broken: Callable[[Any], Pair]
    twin: Callable[[Any], Pair]
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """What both take beside the learning rate; each has a default."""
    extras: tuple[str, ...] = ()
    """The extras that both need."""
    survives: Survival = "all"
    """What of the twin is finite again after one NaN."""
    averages: bool = False
    """Whether the pair averages gradients, so that one of NaN is never forgotten."""
    reference: Callable[..., Iterator[Any]] | None = None
    """The twin in float64 for one array, as in `tests/references`: `reference(x, gradients, alpha)`."""
    also: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Other laws that the bug breaks, and why."""

    def case(self, make: Callable[[Any], Pair]) -> Case:
        """One of the two as a case of the kit."""
        reference = None if self.reference is None else functools.partial(self.reference, alpha=0.1)
        about = {"survives": self.survives, "reference": reference, "name": self.name}
        return Case(make, {"learning_rate": 0.1, **self.arguments}, self.extras, **about)


def corrected(x: Any, gradients: Any, alpha: float) -> Iterator[Any]:
    return averages.corrected_average(x, gradients, alpha, 0.9)


def descending(learning_rate: Any) -> Pair:
    return stateless(lambda g: -learning_rate * g)


def slowing_safely(learning_rate: Any) -> Pair:
    return slowing(learning_rate, counted)


def copying(learning_rate: Any) -> Pair:
    return starting_point(learning_rate, jnp.array)


def noisy_twin(learning_rate: Any) -> Pair:
    return noisy(learning_rate, moves_on=True, by_leaf=True)


UNTRACEABLE_INIT = "each traces init"
UNTRACEABLE_STEP = "each traces a step"
THE_SAME = "the same, seen from another side"
TYPES = ("state_keeps_its_types", "mixed_dtypes_keep_their_own")
TRACED_INIT = (*TYPES, "state_has_no_weak_types", "state_of_half_precision_is_wide", "updates_have_the_types_of_gradients")
TRACED_STEP = (*TRACED_INIT, "huge_gradients_pass", "tiny_gradients_pass", "a_nonfinite_gradient_reaches_no_further_than_stated")

PLANTED = [
    Planted(
        "init returns its parameters",
        "init_aliases_nothing",
        "the state holds the parameters themselves, which cannot be donated with it",
        lambda learning_rate: starting_point(learning_rate, lambda p: p),
        copying,
    ),
    Planted(
        "init reads values",
        "init_on_abstract_values",
        "init makes NumPy arrays of the parameters",
        lambda learning_rate: starting_point(learning_rate, lambda p: jnp.array(np.array(p))),
        copying,
        also=dict.fromkeys((*TRACED_INIT, "strict_promotion_is_kept"), UNTRACEABLE_INIT),
    ),
    Planted(
        "state in a closure",
        "runs_are_identical",
        "the step count is a number of the closure",
        slowing_in_python,
        slowing_safely,
        also=dict.fromkeys(
            ("customary_extras_may_be_passed", "missing_parameters_are_named"), "each compares two first steps, and the second is later"
        ),
    ),
    Planted(
        "state changed in place",
        "inputs_are_not_changed",
        "update counts in the dict that came in",
        slowing_in_place,
        slowing_safely,
    ),
    Planted(
        "counter that wraps",
        "step_counts_stop_at_the_end",
        "the step count turns negative after the largest integer",
        lambda learning_rate: slowing(learning_rate, lambda t: t + 1),
        slowing_safely,
    ),
    Planted(
        "branch on values",
        "jit_equals_eager",
        "a Python branch depends on the gradient",
        clipping_in_python,
        clipping,
        also=dict.fromkeys(
            (*TRACED_STEP, "strict_promotion_is_kept", "random_draws_are_fresh", "customary_extras_may_be_passed"), UNTRACEABLE_STEP
        ),
    ),
    Planted(
        "moments in the parameters' dtype",
        "state_of_half_precision_is_wide",
        "an average of bfloat16 gradients is kept in bfloat16, where small changes are lost",
        lambda learning_rate: averaging(learning_rate, widens=False),
        averaging,
        survives="leaf",
        averages=True,
    ),
    Planted(
        "broadcast gradient",
        "other_shapes_are_refused",
        "a gradient of another shape than its parameter broadcasts",
        lambda learning_rate: averaging(learning_rate, any_shape=True),
        averaging,
        survives="leaf",
        averages=True,
    ),
    Planted(
        "extra dropped by a chain",
        "needed_extras_arrive",
        "the chain takes the extra and does not hand it on",
        lambda learning_rate: chained(scaling_by_value_if_given(learning_rate), forwards=False),
        lambda learning_rate: chained(scaling_by_value(learning_rate), forwards=True),
        extras=("value",),
    ),
    Planted(
        "misspelt extra swallowed",
        "unknown_extras_are_refused",
        "update takes any extra and ignores it",
        scaling_by_any_extra,
        scaling_by_value,
        extras=("value",),
    ),
    Planted(
        "memory in the gradient's dtype",
        "state_keeps_its_types",
        "the state takes the dtype of the gradient at the first step",
        lambda learning_rate: optimistic(learning_rate, lambda g, before: g),
        lambda learning_rate: optimistic(learning_rate, lambda g, before: g.astype(before.dtype)),
        also={"mixed_dtypes_keep_their_own": THE_SAME},
    ),
    Planted(
        "updates in another dtype",
        "updates_have_the_types_of_gradients",
        "updates are float32, whatever came in",
        leaving_wide,
        descending,
        also={"mixed_dtypes_keep_their_own": THE_SAME},
    ),
    Planted(
        "bias correction one step late",
        "trajectory_is_the_references",
        "the correction divides by 1 − β^(t + 1)",
        lambda learning_rate: correcting(learning_rate, late=1),
        lambda learning_rate: correcting(learning_rate, late=0),
        reference=corrected,
        survives="leaf",
        averages=True,
    ),
    Planted(
        "update of the step before",
        "trajectory_is_the_references",
        "each step applies the update of the step before",
        lambda learning_rate: remembering(learning_rate, "before"),
        lambda learning_rate: remembering(learning_rate, "now"),
        reference=momentum.gradient_descent,
    ),
    Planted(
        "key used at every step",
        "random_draws_are_fresh",
        "the key never moves on, so that every step has the same noise",
        lambda learning_rate: noisy(learning_rate, moves_on=False, by_leaf=True),
        noisy_twin,
    ),
    Planted(
        "key used for every leaf",
        "random_draws_are_fresh",
        "leaves of one shape have the same noise",
        lambda learning_rate: noisy(learning_rate, moves_on=True, by_leaf=False),
        noisy_twin,
    ),
    Planted(
        "statistic of the whole batch",
        "vmap_over_problems_equals_a_loop",
        "a rule for batches takes the largest gradient of all members",
        lambda learning_rate: dividing_by_largest(learning_rate, largest_of_the_batch),
        lambda learning_rate: dividing_by_largest(learning_rate, largest),
    ),
    Planted(
        "weakly typed state",
        "state_has_no_weak_types",
        "the state starts from a Python number",
        lambda learning_rate: fading(learning_rate, lambda: jnp.asarray(1.0)),
        lambda learning_rate: fading(learning_rate, lambda: jnp.ones((), jnp.float32)),
        also=dict.fromkeys((*TYPES, "untrained_leaves_are_left_alone"), THE_SAME),
    ),
    Planted(
        "structure that changes",
        "scan_works",
        "the first update adds entries to the state",
        lambda learning_rate: watching(learning_rate, lambda params: {}),
        lambda learning_rate: watching(learning_rate, lambda params: {"seen": zeros(params)}),
        also=dict.fromkeys((*TYPES, "untrained_leaves_are_left_alone"), THE_SAME),
    ),
    Planted(
        "root of zero",
        "hypergradients_are_finite",
        "the root of |g| has no derivative at zero",
        lambda learning_rate: taking_roots(learning_rate, jnp.sqrt),
        lambda learning_rate: taking_roots(learning_rate, safe_root),
    ),
    Planted(
        "epsilon that underflows",
        "zero_gradients_do_no_harm",
        "1e-8 is zero in float16",
        lambda learning_rate: normalizing(learning_rate, widens=False),
        lambda learning_rate: normalizing(learning_rate, widens=True),
    ),
    Planted(
        "sum emptied by multiplication",
        "a_nonfinite_gradient_reaches_no_further_than_stated",
        "0 · NaN is NaN, so that the sum is never empty again",
        lambda learning_rate: every_other(learning_rate, multiplied),
        lambda learning_rate: every_other(learning_rate, chosen),
    ),
    Planted(
        "square that overflows",
        "huge_gradients_pass",
        "the square of 1e38 is infinite",
        lambda learning_rate: dividing_by_square(learning_rate, jnp.inf),
        lambda learning_rate: dividing_by_square(learning_rate, 1e18),
        survives="leaf",
        averages=True,
    ),
    Planted(
        "integers trained",
        "untrained_leaves_are_left_alone",
        "integers have updates as if they were float32",
        training_integers,
        descending,
    ),
    Planted(
        "variance below zero",
        "constant_gradients_do_no_harm",
        "the mean square less the square of the mean rounds below zero, and its root is NaN",
        lambda learning_rate: dividing_by_deviation(learning_rate, lambda x: x),
        lambda learning_rate: dividing_by_deviation(learning_rate, lambda x: jnp.maximum(x, 0)),
        survives="leaf",
        averages=True,
    ),
    Planted(
        "extras of others refused",
        "customary_extras_may_be_passed",
        "update takes no extra, so that no loop that passes one can hold it",
        refusing_extras,
        descending,
    ),
    Planted(
        "decay left out in silence",
        "missing_parameters_are_named",
        "without parameters there is no weight decay, and no word of it",
        lambda learning_rate: decaying(learning_rate, asks=False),
        lambda learning_rate: decaying(learning_rate, asks=True),
    ),
    Planted(
        "NaN in the branch not taken",
        "no_false_alarm_of_nan_checking",
        "0 / 0 is computed and not chosen",
        lambda learning_rate: taking_signs(learning_rate, jnp.abs),
        lambda learning_rate: taking_signs(learning_rate, lambda g: jnp.where(g == 0, 1, jnp.abs(g))),
    ),
    Planted(
        "schedule at two counts",
        "schedules_see_every_step_once",
        "the rate is taken of this step and of the next at once",
        lambda learning_rate: scheduled(learning_rate, ahead=1),
        lambda learning_rate: scheduled(learning_rate, ahead=0),
    ),
    Planted(
        "number compared in Python",
        "every_number_can_be_traced",
        "the rate is compared with another in Python, which needs it when the step is compiled",
        lambda learning_rate: careful(learning_rate, min),
        lambda learning_rate: careful(learning_rate, jnp.minimum),
    ),
    Planted(
        "integer compared in Python",
        "every_number_can_be_traced",
        "the length of the warmup is compared with 1 in Python",
        lambda learning_rate, warmup=3: warming_up(learning_rate, warmup, max),
        lambda learning_rate, warmup=3: warming_up(learning_rate, warmup, jnp.maximum),
        arguments={"warmup": 3},
    ),
    Planted(
        "search with one draw",
        "random_draws_are_fresh",
        "the key never moves on, so that the search tries one direction for ever",
        lambda learning_rate: searching(learning_rate, moves_on=False),
        lambda learning_rate: searching(learning_rate, moves_on=True),
        extras=("value_fn",),
    ),
    Planted(
        "integer among floats",
        "strict_promotion_is_kept",
        "the exponent of a float is an integer, whose dtype depends on the mode",
        lambda learning_rate: counting_as(learning_rate, lambda t, g: t),
        lambda learning_rate: counting_as(learning_rate, lambda t, g: t.astype(g.dtype)),
    ),
    Planted(
        "gradients kept in a list",
        "nothing_leaks",
        "a list outside of the step keeps its tracers",
        lambda learning_rate: listing(learning_rate, keeps=True),
        lambda learning_rate: listing(learning_rate, keeps=False),
    ),
    Planted(
        "one array for every state",
        "donation_works",
        "init returns the same array each time, which is gone once a step has taken it",
        lambda learning_rate: slowing_from(learning_rate, one_for_all),
        lambda learning_rate: slowing_from(learning_rate, one_for_each),
    ),
    Planted(
        "complex number as one",
        "complex_equals_real_and_imaginary_parts",
        "the modulus is bounded where each part should be",
        lambda learning_rate: bounding(learning_rate, within_one),
        lambda learning_rate: bounding(learning_rate, within_one_by_parts),
    ),
    Planted(
        "rule by place",
        "arranging_leaves_changes_nothing",
        "how fast a leaf trains depends on its place in the tree",
        lambda learning_rate: fading_with_depth(learning_rate, 0.5),
        lambda learning_rate: fading_with_depth(learning_rate, 1.0),
    ),
]
