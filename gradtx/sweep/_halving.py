"""Many members for a few steps, few members for many."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import gradtx as gx
from gradtx._core.types import PyTree
from gradtx.sweep._run import Run, comparable, count_of


class Rung(NamedTuple):
    """The members that took part, by their number in the batch, how many steps each has taken by then, and their scores."""

    members: np.ndarray
    steps: int
    scores: np.ndarray


class Halving(NamedTuple):
    """What successive halving leaves: its rungs, and the optimizer that is best at the last, with its score and what it carries."""

    rungs: tuple[Rung, ...]
    optimizer: gx.GradientTransformation
    carry: PyTree
    score: float


def successive_halving(
    run: Run, optimizers: gx.GradientTransformation, key: jax.Array, *, steps: int, factor: int = 3, rungs: int | None = None
) -> Halving:
    """Train all members for `steps`, keep the best 1/`factor` of them and train these to `factor` times as many, until one is left.

    `optimizers` is a batch of one structure. Training is continued, not begun anew, and a member takes the same steps as if alone: its
    keys depend on its number and the step. A score that is not finite is the worst. One program for each rung. It saves most where early
    scores say much about late ones, which schedules that end at a fixed step do not. (Jamieson & Talwalkar 2016, arXiv 1502.07943.)
    """
    count = count_of(optimizers, "successive_halving")
    if steps < 1 or factor < 2 or (rungs is not None and rungs < 1):
        raise ValueError(
            f"successive_halving: steps and rungs must be at least 1 and factor at least 2, got {steps}, {rungs} and {factor}."
        )
    keys = jax.vmap(lambda k: jax.random.fold_in(key, k))(jnp.arange(count))
    carries = _begun(run, optimizers, keys)
    members, taken, climbed = np.arange(count), 0, list[Rung]()
    while True:
        more = steps * factor ** len(climbed) - taken
        carries, scores = _continued(run, more, optimizers, carries, keys, taken)
        taken += more
        scores = np.asarray(scores)
        climbed.append(Rung(members, taken, scores))
        best = np.argsort(scores, kind="stable")
        last = len(members) == 1 or len(climbed) == rungs
        kept = np.sort(best[: 1 if last else max(1, len(members) // factor)])
        members = members[kept]
        optimizers, carries, keys = jax.tree.map(lambda leaf, kept=kept: leaf[kept], (optimizers, carries, keys))
        if last:
            optimizer, carry = jax.tree.map(lambda leaf: leaf[0], (optimizers, carries))
            return Halving(tuple(climbed), optimizer, carry, float(scores[best[0]]))


def hyperband(
    run: Run, draw: Callable[[jax.Array, int], gx.GradientTransformation], key: jax.Array, *, max_steps: int, factor: int = 3
) -> tuple[Halving, ...]:
    """Successive halving from several beginnings: many members that start with few steps, to few that take `max_steps` at once.

    `draw(key, n)` gives a batch of n optimizers, such as `sweep.sample(gradtx.adam, key, n, ...)`. The results come best first. It costs
    about as much for each of its brackets, and is safe where early scores mislead. (Li et al. 2018, arXiv 1603.06560, algorithm 1.)
    """
    if max_steps < 1 or factor < 2:
        raise ValueError(f"hyperband: max_steps must be at least 1 and factor at least 2, got {max_steps} and {factor}.")
    most = 0
    while factor ** (most + 1) <= max_steps:
        most += 1
    found = list[Halving]()
    for s in range(most, -1, -1):
        drawing, running = jax.random.split(jax.random.fold_in(key, s))
        count = -(-(most + 1) * factor**s // (s + 1))
        found.append(successive_halving(run, draw(drawing, count), running, steps=max_steps // factor**s, factor=factor, rungs=s + 1))
    return tuple(sorted(found, key=lambda halving: halving.score))


@functools.partial(jax.jit, static_argnames="run")
def _begun(run: Run, optimizers: Any, keys: jax.Array) -> PyTree:
    return jax.vmap(lambda tx, key: run.start(tx, jax.random.fold_in(key, 2**31 - 1)))(optimizers, keys)


@functools.partial(jax.jit, static_argnames=("run", "steps"), donate_argnames="carries")
def _continued(run: Run, steps: int, optimizers: Any, carries: PyTree, keys: jax.Array, taken: Any) -> tuple[PyTree, jax.Array]:
    def one(tx: Any, carry: PyTree, key: jax.Array) -> tuple[PyTree, jax.Array]:
        carry = run.after(tx, carry, key, taken, steps)
        return carry, comparable(run.score(tx, carry))

    return jax.vmap(one)(optimizers, carries, keys)
