"""Many members for a few steps, few members for many."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import gradtx as gx
from gradtx._core.kinds import random_key
from gradtx._core.types import Key, PyTree
from gradtx.sweep._members import by_structure
from gradtx.sweep._run import Run, check_whole, comparable, scored


class Rung(NamedTuple):
    """The members that took part, by their number in the batch, how many steps each has taken by then, and their scores."""

    members: np.ndarray
    steps: int
    scores: np.ndarray

    @property
    def ranked(self) -> np.ndarray:
        """The members, best first."""
        return self.members[np.argsort(self.scores, kind="stable")]


class Halving(NamedTuple):
    """What successive halving leaves: its rungs, and the optimizer that is best at the last, with its score and what it carries."""

    rungs: tuple[Rung, ...]
    optimizer: gx.GradientTransformation
    carry: PyTree
    score: float


def successive_halving(run: Run, optimizers: Any, key: Key, *, steps: int, factor: int = 3, rungs: int | None = None) -> Halving:
    """Train all members for `steps`, keep the best 1/`factor` of them and train these to `factor` times as many, until one is left.

    `optimizers` is a batch, or a list of optimizers and batches of any structures. Training is continued, not begun anew, and a member
    takes the same steps as if alone: its keys depend on its number and the step. A score that is not finite is the worst. One program
    for each rung and structure. It saves most where early scores say much about late ones, which schedules that end at a fixed step do
    not. (Jamieson & Talwalkar 2016, arXiv 1502.07943.)
    """
    check_whole("successive_halving", steps=steps, factor=factor, rungs=1 if rungs is None else rungs)
    if steps < 1 or factor < 2 or (rungs is not None and rungs < 1):
        raise ValueError(
            f"successive_halving: steps and rungs must be at least 1 and factor at least 2, got {steps}, {rungs} and {factor}."
        )
    groups = _groups(run, optimizers, random_key(key, "successive_halving: key"))
    left, most = sum(len(group.members) for group in groups), 1
    while left > 1:
        left, most = left // factor, most + 1
    return _climbed(run, groups, [steps * factor**k for k in range(min(most, rungs or most))], factor)


def _climbed(run: Run, groups: Sequence["_Group"], totals: Sequence[int], factor: int) -> Halving:
    """Train to each of the totals, behind the first the best 1/`factor` of the members before."""
    taken, climbed = 0, list[Rung]()
    for total in totals:
        if climbed:
            best = climbed[-1].ranked[: max(1, len(climbed[-1].members) // factor)]
            groups = [group.only(best) for group in groups if np.isin(group.members, best).any()]
        groups, found = zip(*(group.continued(run, total - taken, taken) for group in groups), strict=True)
        taken = total
        members = np.concatenate([group.members for group in groups])
        order = np.argsort(members)
        climbed.append(Rung(members[order], taken, np.concatenate(found)[order]))
    best = climbed[-1].ranked[:1]
    (group,) = (group.only(best) for group in groups if best in group.members)
    optimizer, carry = jax.tree.map(lambda leaf: leaf[0], (group.optimizers, group.carries))
    return Halving(tuple(climbed), optimizer, carry, float(climbed[-1].scores.min()))


class _Group(NamedTuple):
    """The members of one structure that are left: their numbers, and batches of what they are and carry."""

    members: np.ndarray
    optimizers: gx.GradientTransformation
    carries: PyTree
    keys: jax.Array

    def continued(self, run: Run, steps: int, taken: int) -> tuple["_Group", np.ndarray]:
        """The members after so many steps more, and their scores."""
        carries, scores = _continued(run, steps, self.optimizers, self.carries, self.keys, taken)
        return self._replace(carries=carries), np.asarray(scores)

    def only(self, members: np.ndarray) -> "_Group":
        rows = np.flatnonzero(np.isin(self.members, members))
        return _Group(self.members[rows], *jax.tree.map(lambda leaf: leaf[rows], tuple(self)[1:]))


def _groups(run: Run, optimizers: Any, key: jax.Array) -> Sequence[_Group]:
    """The members of each structure before the first step."""
    groups = list[_Group]()
    for members, batch in by_structure(optimizers):
        keys = jax.vmap(lambda k: jax.random.fold_in(key, k))(jnp.asarray(members))
        groups.append(_Group(members, batch, _begun(run, batch, keys), keys))
    if not groups:
        raise ValueError("successive_halving: there are no optimizers; give at least one.")
    return groups


def hyperband(run: Run, draw: Callable[[jax.Array, int], Any], key: Key, *, max_steps: int, factor: int = 3) -> tuple[Halving, ...]:
    """Successive halving from several beginnings: many members that start with few steps, to few that take `max_steps` at once.

    The last rung of each takes `max_steps`, and the ones before it a `factor` of them less, rounded down.

    `draw(key, n)` gives n optimizers, such as `sweep.sample(gradtx.adam, key, n, ...)`, of one structure or several. The results come
    best first. It costs about as much for each of its brackets, and is safe where early scores mislead. (Li et al. 2018,
    arXiv 1603.06560, algorithm 1.)
    """
    check_whole("hyperband", max_steps=max_steps, factor=factor)
    if max_steps < 1 or factor < 2:
        raise ValueError(f"hyperband: max_steps must be at least 1 and factor at least 2, got {max_steps} and {factor}.")
    most, key = 0, random_key(key, "hyperband: key")
    while factor ** (most + 1) <= max_steps:
        most += 1
    found = list[Halving]()
    for s in range(most, -1, -1):
        drawing, running = jax.random.split(jax.random.fold_in(key, s))
        count = -(-(most + 1) * factor**s // (s + 1))
        totals = [max_steps // factor**k for k in range(s, -1, -1)]
        found.append(_climbed(run, _groups(run, draw(drawing, count), running), totals, factor))
    return tuple(sorted(found, key=lambda halving: halving.score))


@functools.partial(jax.jit, static_argnames="run")
def _begun(run: Run, optimizers: Any, keys: jax.Array) -> PyTree:
    return jax.vmap(lambda tx, key: run.start(tx, jax.random.fold_in(key, 2**31 - 1)))(optimizers, keys)


@functools.partial(jax.jit, static_argnames=("run", "steps"), donate_argnames="carries")
def _continued(run: Run, steps: int, optimizers: Any, carries: PyTree, keys: jax.Array, taken: Any) -> tuple[PyTree, jax.Array]:
    def one(tx: Any, carry: PyTree, key: jax.Array) -> tuple[PyTree, jax.Array]:
        carry = run.after(tx, carry, key, taken, steps)
        return carry, comparable(scored(run, tx, carry))

    return jax.vmap(one)(optimizers, carries, keys)
