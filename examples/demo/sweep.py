"""64 optimizers, learning rate × decay, as one program that is compiled once."""

import contextlib
import time
from collections.abc import Iterator
from typing import NamedTuple

import digits
import jax
import jax.numpy as jnp
import numpy as np
from training import draw_batches, train

import gradtx

LEARNING_RATES = 2.0 ** -jnp.arange(7.0, -1.0, -1)
DECAYS = 1 - 2.0 ** -jnp.arange(8.0)


class Sweep(NamedTuple):
    """The validation loss at each decay and learning rate, and what it took to compute them."""

    losses: np.ndarray
    best: gradtx.GradientTransformation
    accuracy: float
    compilations: int
    compilations_again: int
    seconds: float
    seconds_again: float


@contextlib.contextmanager
def counting_compilations() -> Iterator[list[str]]:
    """Collect an entry for every program that XLA compiles inside the block."""
    events: list[str] = []

    def listen(event: str, duration: float, **_: object) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            events.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield events
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


def run(data: digits.Digits, passes: int) -> Sweep:
    """Train with every optimizer of the grid at once, then with 64 others to see that nothing is compiled again."""
    params = digits.network(jax.random.key(0))
    examples = len(data.train.labels)
    batches = draw_batches(examples, 32, passes * examples // 32, records=1)
    decays, rates = jnp.meshgrid(DECAYS, LEARNING_RATES, indexing="ij")
    optimizers = jax.vmap(lambda rate, decay: gradtx.sgd(rate, gradtx.trace(decay)))(rates.ravel(), decays.ravel())
    others = jax.tree.map(lambda number: 0.9 * number, optimizers)

    @jax.jit
    @jax.vmap
    def score(tx: gradtx.GradientTransformation) -> tuple[jax.Array, jax.Array]:
        trained, _ = train(tx, params, data.train, batches)
        return digits.cross_entropy(trained, data.validation, penalty=0.0), digits.accuracy(trained, data.test)

    start = time.perf_counter()
    with counting_compilations() as first:
        losses, accuracies = jax.block_until_ready(score(optimizers))
    middle = time.perf_counter()
    with counting_compilations() as again:
        jax.block_until_ready(score(others))
    end = time.perf_counter()

    best = int(jnp.nanargmin(losses))
    chosen = jax.tree.map(lambda number: number[best], optimizers)
    grid = np.asarray(losses).reshape(decays.shape)
    return Sweep(grid, chosen, float(accuracies[best]), len(first), len(again), middle - start, end - middle)
