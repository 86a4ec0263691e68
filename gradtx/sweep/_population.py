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
from gradtx._core.layouts import laid_out
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
    return Population(*_evolved(run, chosen, rounds, steps, copied, optimizers, random_key(key, "population: key"), jnp.asarray(factors)))


@functools.partial(jax.jit, static_argnames=("run", "chosen", "rounds", "steps", "copied"))
def _evolved(
    run: Run, chosen: tuple[Coordinate, ...], rounds: int, steps: int, copied: int, optimizers: Any, *rest: Any
) -> tuple[Any, ...]:
    """The population, whose members stay where they are: the compiler sends around what they copy."""
    evolve = functools.partial(_in_rounds, run, chosen, rounds, steps, copied)
    sharding = jax.typeof(jax.tree.leaves(optimizers)[0]).sharding
    by_member, by_round = (jax.NamedSharding(sharding.mesh, jax.P(*axes, sharding.spec[0])) for axes in ((), (None,)))
    return laid_out(evolve, (by_member, by_member, by_round, by_round, by_round), optimizers, *rest)


def _in_rounds(
    run: Run, chosen: tuple[Coordinate, ...], rounds: int, steps: int, copied: int, optimizers: Any, key: jax.Array, factors: jax.Array
) -> tuple[Any, ...]:
    count = len(jax.tree.leaves(optimizers)[0])
    starting, training, choosing = jax.random.split(key, 3)

    def one_round(carry: Any, k: Any) -> tuple[Any, Any]:
        optimizers, carries, scores = carry
        parents, moved = _succeeded(chosen, copied, optimizers, scores, factors, jax.random.fold_in(choosing, k))
        first = k == 0
        parents = jnp.where(first, jnp.arange(count), parents)
        optimizers = jax.tree.map(lambda old, new: jnp.where(first, old, new), optimizers, moved)
        carries = jax.tree.map(lambda leaf: leaf[parents], carries)

        def train(tx: Any, carry: PyTree, member: Any) -> tuple[PyTree, jax.Array]:
            carry = run.after(tx, carry, jax.random.fold_in(training, member), k * steps, steps)
            return carry, comparable(scored(run, tx, carry))

        carries, scores = jax.vmap(train)(optimizers, carries, jnp.arange(count))
        return (optimizers, carries, scores), (scores, parents, optimizers)

    carries = jax.vmap(run.start)(optimizers, jax.random.split(starting, count))
    abstract = jax.eval_shape(jax.vmap(lambda tx, carry: scored(run, tx, carry)), optimizers, carries)
    (optimizers, carries, _), history = jax.lax.scan(
        one_round, (optimizers, carries, jnp.zeros(abstract.shape, abstract.dtype)), jnp.arange(rounds)
    )
    return optimizers, carries, *history


def _succeeded(
    chosen: Sequence[Coordinate], copied: int, optimizers: Any, scores: jax.Array, factors: jax.Array, key: jax.Array
) -> tuple[jax.Array, Any]:
    """Whom each member is copied from, and the optimizers behind that, changed where they are copies."""
    count = len(scores)
    order = jnp.argsort(scores)
    is_copy = jnp.zeros(count, bool).at[order[count - copied :]].set(True)
    drawing, *turning = jax.random.split(key, 1 + max(1, len(chosen)))
    donors = order[jax.random.randint(drawing, (count,), 0, copied)]
    parents = jnp.where(is_copy, donors, jnp.arange(count))
    optimizers = jax.tree.map(lambda leaf: leaf[parents], optimizers)
    leaves = jax.tree.leaves(optimizers)
    numbers = list[jax.Array]()
    for coordinate, turn in zip(chosen, turning, strict=False):
        number = leaves[coordinate.place]
        drawn = jax.random.choice(turn, factors, number.shape).astype(number.dtype)
        aside = is_copy.reshape(-1, *(1,) * (number.ndim - 1))
        numbers.append(jnp.where(aside, coordinate.multiplied(number, drawn), number))
    return parents, replaced(optimizers, chosen, numbers)
