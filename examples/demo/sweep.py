"""64 optimizers, learning rate × decay, as one program that is compiled once."""

import contextlib
import time
from collections.abc import Iterator
from typing import NamedTuple

import digits
import jax
import numpy as np
from training import draw_batches, train

import gradtx
from gradtx.sweep import grid, sweep

LEARNING_RATES = 2.0 ** -np.arange(7.0, -1.0, -1)
DECAYS = 1 - 2.0 ** -np.arange(8.0)


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


def score(tx: gradtx.GradientTransformation, params: digits.Params, data: digits.Digits, batches: jax.Array) -> dict[str, jax.Array]:
    """The validation loss and the test accuracy after training with `tx`."""
    trained, _ = train(tx, params, data.train, batches)
    return {"loss": digits.cross_entropy(trained, data.validation, penalty=0.0), "accuracy": digits.accuracy(trained, data.test)}


def run(data: digits.Digits, passes: int) -> Sweep:
    """Train with every optimizer of the grid at once, then with 64 others to see that nothing is compiled again."""
    params = digits.network(jax.random.key(0))
    examples = len(data.train.labels)
    batches = draw_batches(examples, 32, passes * examples // 32, records=1)
    optimizers = grid(lambda decay, rate: gradtx.sgd(rate, gradtx.trace(decay)), decay=DECAYS, rate=LEARNING_RATES)
    others = jax.tree.map(lambda number: 0.9 * number, optimizers)

    start = time.perf_counter()
    with counting_compilations() as first:
        results = sweep(score, optimizers, params, data, batches, progress=False)
    middle = time.perf_counter()
    with counting_compilations() as again:
        sweep(score, others, params, data, batches, progress=False)
    end = time.perf_counter()

    best = results.best("loss")
    losses = results.curve("loss").reshape(len(DECAYS), len(LEARNING_RATES))
    accuracy = float(best.metrics["accuracy"])
    return Sweep(losses, best.optimizer, accuracy, len(first), len(again), middle - start, end - middle)
