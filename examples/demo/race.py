"""Eight methods on the same network under one budget."""

import time
from collections.abc import Callable
from typing import NamedTuple

import digits
import jax
import jax.numpy as jnp
import numpy as np
from training import draw_batches, train

import gradtx

CG_ITERATIONS = 3
RECORDS = 50
HALVINGS = 2.0 ** -jnp.arange(8)


class Entrant(NamedTuple):
    """A method: how one number makes it, which numbers to try, and what a step costs for each example of its batch.

    The unit of cost is one gradient. A loss is a third of it (forward only), a Hessian-vector product twice.
    """

    name: str
    make: Callable[[float], gradtx.GradientTransformation]
    tuned: str
    numbers: jax.Array
    batch_size: int = 32
    cost: float = 1.0


class Result(NamedTuple):
    """One method at the best of its numbers, and the validation loss at each of them."""

    entrant: Entrant
    best: int
    validation: np.ndarray
    losses: np.ndarray
    accuracy: float
    steps: int
    seconds: float


def entrants(examples: int) -> list[Entrant]:
    """The methods of the race, on batches of 32; Newton-CG needs an exact curvature and takes all examples at once."""
    return [
        Entrant("random search", lambda r: gradtx.random_search(r, key=0), "radius", 0.06 * HALVINGS, cost=2 / 3),
        Entrant("SGD", gradtx.sgd, "learning rate", 1.0 * HALVINGS),
        Entrant("momentum", lambda r: gradtx.sgd(r, gradtx.trace(0.9)), "learning rate", 1.0 * HALVINGS),
        Entrant("Nesterov", lambda r: gradtx.sgd(r, gradtx.nesterov(gradtx.trace(0.9))), "learning rate", 1.0 * HALVINGS),
        Entrant("AdaGrad", gradtx.adagrad, "learning rate", 0.5 * HALVINGS),
        Entrant("RMSProp", gradtx.rmsprop, "learning rate", 0.1 * HALVINGS),
        Entrant("Adam", gradtx.adam, "learning rate", 0.1 * HALVINGS),
        Entrant(
            "Newton-CG",
            lambda damping: gradtx.newton_cg(1.0, damping, CG_ITERATIONS),
            "damping",
            4.0 * HALVINGS,
            examples,
            cost=1 + 2 * CG_ITERATIONS,
        ),
    ]


def run(entrant: Entrant, data: digits.Digits, passes: int) -> Result:
    """Train at all its numbers at once, choose one by the validation loss, then train with that alone and time it.

    `passes` is the budget of one training run: the cost of so many gradients over the whole training set.
    """
    params = digits.network(jax.random.key(0))
    examples = len(data.train.labels)
    steps = int(passes * examples / (entrant.batch_size * entrant.cost))
    batches = draw_batches(examples, entrant.batch_size, steps, RECORDS)

    optimizers = jax.vmap(entrant.make)(entrant.numbers)
    trained, _ = jax.jit(jax.vmap(train, in_axes=(0, None, None, None)))(optimizers, params, data.train, batches)
    validation = np.asarray(jax.vmap(lambda p: digits.cross_entropy(p, data.validation, penalty=0.0))(trained))
    best = int(np.nanargmin(validation))

    arguments = (entrant.make(float(entrant.numbers[best])), params, data.train, batches)
    compiled = jax.jit(train).lower(*arguments).compile()
    begin = time.perf_counter()
    trained, losses = jax.block_until_ready(compiled(*arguments))
    seconds = time.perf_counter() - begin
    accuracy = float(digits.accuracy(trained, data.test))
    return Result(entrant, best, validation, np.asarray(losses), accuracy, batches.shape[0] * batches.shape[1], seconds)
