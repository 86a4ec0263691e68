"""Hyperparameters that descend while the parameters do."""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

import gradtx as gx
from gradtx._core.kinds import random_key
from gradtx._core.types import Key, PyTree
from gradtx.sweep._coordinates import Coordinate, coordinates, replaced
from gradtx.sweep._run import Run, check_whole, scored


class Tuned(NamedTuple):
    """What `hypergradient` leaves: the optimizer and the carry at the end, and for each round its score and its optimizer."""

    optimizer: gx.GradientTransformation
    carry: PyTree
    scores: jax.Array
    history: gx.GradientTransformation


def hypergradient(
    run: Run,
    tx: gx.GradientTransformation,
    key: Key,
    *,
    rounds: int,
    steps: int,
    outer: gx.GradientTransformation | None = None,
    tune: str | Sequence[str] = "*",
) -> Tuned:
    """Tune the numbers of `tx` by the gradient of the score through `steps` steps, `rounds` times, while training goes on.

    u ← u + outer.update(∂ score(after `steps` steps) / ∂u), u the logarithm of a positive number, log(1 − x) of a decay, the number itself
    otherwise; `outer` is `adam(0.1)` unless given. Each round begins where the last one ended; the gradient stops there. `tune`
    names leaves by their paths, `learning_rate` or `*/decay`. A round whose hypergradient is not finite is taken back, training
    and all. The memory is that of `steps` steps of training. Short rounds favour small learning rates: what pays off later is not seen
    (Wu et al. 2018, arXiv 1803.02021). Source: Maclaurin et al. 2015 (arXiv 1502.03492), truncated.
    """
    check_whole("hypergradient", rounds=rounds, steps=steps)
    if rounds < 1 or steps < 1:
        raise ValueError(f"hypergradient: rounds and steps must be at least 1, got {rounds} and {steps}.")
    chosen = coordinates(tx, tune, "hypergradient")
    if not chosen:
        raise ValueError('hypergradient: tune names no number. Write "*" for all of them.')
    outer = gx.adam(0.1) if outer is None else outer
    return Tuned(*_tuned(run, chosen, rounds, steps, tx, outer, random_key(key, "hypergradient: key")))


@functools.partial(jax.jit, static_argnames=("run", "chosen", "rounds", "steps"))
def _tuned(run: Run, chosen: tuple[Coordinate, ...], rounds: int, steps: int, tx: Any, outer: Any, key: jax.Array) -> tuple[Any, ...]:
    leaves = jax.tree.leaves(tx)
    starting, training = jax.random.split(key)

    def at(u: list[jax.Array]) -> Any:
        return replaced(tx, chosen, [c.outward(x) for c, x in zip(chosen, u, strict=True)])

    def score_after(u: list[jax.Array], carry: PyTree, k: Any) -> tuple[jax.Array, PyTree]:
        carry = run.after(at(u), carry, training, k * steps, steps)
        return scored(run, at(u), carry), carry

    def one_round(carry: Any, k: Any) -> tuple[Any, Any]:
        u, state, before = carry
        (score, inner), slope = jax.value_and_grad(score_after, has_aux=True)(u, before, k)
        finite = jnp.all(jnp.isfinite(jnp.concatenate([jnp.ravel(s) for s in slope])))
        used = at(u)
        step, moved = outer.update([jnp.where(finite, s, 0) for s in slope], state, u)
        u, state = jax.tree.map(lambda new, old: jnp.where(finite, new, old), (gx.apply_updates(u, step), moved), (u, state))
        inner = jax.tree.map(lambda new, old: jnp.where(finite, new, old), inner, before)
        return (u, state, inner), (score, used)

    u = [c.inward(leaves[c.place]) for c in chosen]
    (u, _, inner), (scores, history) = jax.lax.scan(one_round, (u, outer.init(u), run.start(at(u), starting)), jnp.arange(rounds))
    return at(u), inner, scores, history
