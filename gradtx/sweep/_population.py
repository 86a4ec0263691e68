"""Members that copy from each other while they train."""

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import gradtx as gx
from gradtx._core.kinds import random_key
from gradtx._core.layouts import laid_out, placed, placed_along, whole
from gradtx._core.types import Key, PyTree
from gradtx.sweep._coordinates import Coordinate, coordinates, replaced
from gradtx.sweep._run import Run, check_whole, comparable, count_of, scored


class Population(NamedTuple):
    """What `population` leaves: optimizers and carries of the members at the end, and what happened in each round.

    `scores` and `parents` have the shape (rounds, members): a member's score after the round, and whom it was copied from before it,
    itself if from nobody. `history` holds the optimizers of each round, with the rounds before the members.
    """

    optimizers: gx.GradientTransformation
    carries: PyTree
    scores: jax.Array
    parents: jax.Array
    history: gx.GradientTransformation

    @property
    def best(self) -> int:
        """The member with the least score at the end."""
        return int(jnp.argmin(self.scores[-1]))


def population(
    run: Run,
    optimizers: gx.GradientTransformation,
    key: Key,
    *,
    rounds: int,
    steps: int,
    exploit: float = 0.2,
    factors: tuple[float, float] = (0.8, 1.25),
    explore: str | Sequence[str] | None = None,
) -> Population:
    """Population-based training: after every `steps` steps the worst members become copies of the best, with other hyperparameters.

    The worst share `exploit` copies parameters, state and hyperparameters of members drawn from the best share, then multiplies each number
    that `explore` names (paths such as `learning_rate` or `*/decay`; those in which members differ if None) by one of the two
    `factors`; of a decay, 1 − decay. A member that diverged is among the worst. All of it is one compiled program and depends on
    `key` alone. It finds schedules, not settings; with few members it is greedy. (Jaderberg et al. 2017, arXiv 1711.09846.)
    """
    check_whole("population", rounds=rounds, steps=steps)
    count = count_of(optimizers, "population")
    copied = math.floor(exploit * count + 1e-9)
    if len(factors) != 2 or not all(0 < factor < math.inf for factor in factors):
        raise ValueError(f"population: factors must be two numbers above 0, such as (0.8, 1.25), got {factors!r}.")
    if rounds < 1 or steps < 1 or not 1 <= copied <= count // 2:
        raise ValueError(
            f"population: rounds and steps must be at least 1, and exploit={exploit} of {count} members at least one and at most half of "
            f"them, got {rounds}, {steps} and {copied}."
        )
    if explore is None:
        every = coordinates(optimizers, "*", "population")
        leaves = jax.tree.leaves(optimizers)
        chosen = tuple(c for c in every if np.ptp(np.asarray(leaves[c.place])) > 0)
    else:
        chosen = coordinates(optimizers, explore, "population")
    optimizers = jax.tree.map(jnp.asarray, optimizers)
    drawn = random_key(key, "population: key"), jnp.asarray(factors)
    try:
        return Population(*_evolved(run, chosen, rounds, steps, copied, optimizers, *drawn))
    except Exception as error:
        if type(error).__name__ != "ShardingTypeError":  # which JAX does not publish
            raise
        raise TypeError(
            "population: JAX does not map all that run does over members on a mesh with explicit axes, such as picking by an index. Put "
            'members and data on jax.make_mesh((8,), ("members",), axis_types=(jax.sharding.AxisType.Auto,)), or the members on no mesh.'
        ) from error


@functools.partial(jax.jit, static_argnames=("run", "chosen", "rounds", "steps", "copied"))
def _evolved(
    run: Run, chosen: tuple[Coordinate, ...], rounds: int, steps: int, copied: int, optimizers: Any, key: jax.Array, factors: jax.Array
) -> tuple[Any, ...]:
    like = jax.tree.leaves(optimizers)[0]
    count = len(like)
    members = functools.partial(jax.tree.map, lambda leaf: placed_along(leaf, like))
    starting, training, choosing = jax.random.split(key, 3)

    def one_round(carry: Any, k: Any) -> tuple[Any, Any]:
        optimizers, carries, scores = carry
        parents, moved = _succeeded(chosen, copied, optimizers, scores, factors, jax.random.fold_in(choosing, k))
        first = k == 0
        parents = jnp.where(first, jnp.arange(count), parents)
        optimizers = jax.tree.map(lambda old, new: jnp.where(first, old, new), optimizers, moved)
        carries = _taken_over(carries, parents)

        def train(tx: Any, carry: PyTree, member: Any) -> tuple[PyTree, jax.Array]:
            carry = run.after(tx, carry, jax.random.fold_in(training, member), k * steps, steps)
            return carry, comparable(scored(run, tx, carry))

        carries, scores = members(jax.vmap(train)(optimizers, carries, members(jnp.arange(count))))
        return (optimizers, carries, scores), (scores, parents, optimizers)

    carries = members(jax.vmap(run.start)(optimizers, members(jax.random.split(starting, count))))
    abstract = jax.eval_shape(jax.vmap(lambda tx, carry: scored(run, tx, carry)), optimizers, carries)
    scores = members(jnp.zeros(abstract.shape, abstract.dtype))
    (optimizers, carries, _), history = jax.lax.scan(one_round, (optimizers, carries, scores), jnp.arange(rounds))
    return optimizers, carries, *history


def _taken_over(batch: PyTree, parents: jax.Array) -> PyTree:
    """For each member what its parent has, where the member lies."""
    return jax.tree.map(lambda leaf: laid_out(lambda leaf, rows: leaf[rows], jax.typeof(leaf).sharding, leaf, parents), batch)


def _succeeded(
    chosen: Sequence[Coordinate], copied: int, optimizers: Any, scores: jax.Array, factors: jax.Array, key: jax.Array
) -> tuple[jax.Array, Any]:
    """Whom each member is copied from, and the optimizers behind that, changed where they are copies."""
    count = len(scores)
    order = jnp.argsort(whole(scores))
    is_copy = jnp.zeros(count, bool).at[order[count - copied :]].set(True)
    drawing, *turning = jax.random.split(key, 1 + max(1, len(chosen)))
    donors = order[jax.random.randint(drawing, (count,), 0, copied)]
    parents = jnp.where(is_copy, donors, jnp.arange(count))
    optimizers = _taken_over(optimizers, parents)
    leaves = jax.tree.leaves(optimizers)
    numbers = list[jax.Array]()
    for coordinate, turn in zip(chosen, turning, strict=False):
        number = leaves[coordinate.place]
        drawn = placed(jax.random.choice(turn, factors, number.shape).astype(number.dtype), number)
        aside = placed_along(is_copy, number).reshape(-1, *(1,) * (number.ndim - 1))
        numbers.append(jnp.where(aside, coordinate.multiplied(number, drawn), number))
    return parents, replaced(optimizers, chosen, numbers)
