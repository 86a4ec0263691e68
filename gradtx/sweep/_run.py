"""Training as three pure functions, so that it can be stopped, copied and continued with another optimizer."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gradtx._core.kinds import is_real, is_whole, shown
from gradtx._core.types import PyTree


class Run(NamedTuple):
    """Training that can be continued: three pure functions of the optimizer and of what training carries along.

    `start(tx, key)` gives the carry before the first step, such as `(params, tx.init(params))`; `advance(tx, carry, key)` that after
    one step more; `score(tx, carry)` a scalar that should be small, such as the validation loss at `gradtx.eval_params`.
    """

    start: Callable[[Any, jax.Array], PyTree]
    advance: Callable[[Any, PyTree, jax.Array], PyTree]
    score: Callable[[Any, PyTree], jax.Array]

    def after(self, tx: Any, carry: PyTree, key: jax.Array, first: Any, steps: int) -> PyTree:
        """The carry after `steps` steps more, `first` of which were taken: step t has the key fold_in(key, t)."""

        def one(carry: PyTree, t: Any) -> tuple[PyTree, None]:
            return self.advance(tx, carry, jax.random.fold_in(key, t)), None

        return jax.lax.scan(one, carry, first + jnp.arange(steps))[0]


def check_whole(part: str, **numbers: Any) -> None:
    """Refuse what is no whole number: it would be rounded, or fail where nobody sees why."""
    for name, number in numbers.items():
        if not is_whole(number):
            raise ValueError(f"{part}: {name} must be a whole number, got {number!r}.")


def count_of(optimizers: Any, part: str) -> int:
    """How many optimizers a batch of them holds."""
    lengths = {jnp.shape(leaf)[:1] for leaf in jax.tree.leaves(optimizers)}
    if len(lengths) != 1 or () in lengths:
        raise ValueError(
            f"{part}: optimizers must be a batch of them, every number an array over the members. Write sweep.stack([tx, ...]), "
            "sweep.grid(...) or sweep.sample(...)."
        )
    return next(iter(lengths))[0]


def scored(run: Run, tx: Any, carry: PyTree) -> jax.Array:
    """The score as a floating-point scalar."""
    score = run.score(tx, carry)
    if isinstance(score, dict | list | tuple) or jnp.shape(score) != () or not is_real(score):
        raise TypeError(f"Run: score must return a real scalar, got {shown(score)}. Write jnp.mean(...).")
    return jnp.asarray(score, jnp.promote_types(jnp.result_type(score), jnp.float32))


def comparable(score: jax.Array) -> jax.Array:
    """The score, infinite where it is not finite: a diverged member is behind all others."""
    return jnp.where(jnp.isfinite(score), score, jnp.inf)
