"""The loop around the step, for scripts and notebooks."""

import pathlib
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import gradtx as gx
from gradtx._core.kinds import is_whole, random_key, shown
from gradtx._core.types import Key, PyTree
from gradtx.training._batches import Ahead, batches_from
from gradtx.training._history import History, from_arrays
from gradtx.training._loss import asked_by
from gradtx.training._metrics import Metrics, scalars_of
from gradtx.training._progress import Bar
from gradtx.training._resuming import in_directory
from gradtx.training._step import Step, make_step


class Snapshot(NamedTuple):
    """What a callback of `fit` sees. The next step donates `params` and `state`: copy what you keep."""

    step: int
    tx: gx.GradientTransformation
    params: PyTree
    state: PyTree
    metrics: Metrics
    history: History


class Fitted(NamedTuple):
    """What `fit` returns: the parameters and the state at the end, and those to evaluate at; `stopped` says if `stop` ended it."""

    params: PyTree
    eval_params: PyTree
    state: PyTree
    history: History
    step: int
    stopped: bool


def fit(
    loss: Callable[..., Any] | Step,
    tx: gx.GradientTransformation,
    params: PyTree,
    data: Any,
    *,
    steps: int | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    key: Key = 0,
    model_state: PyTree = None,
    every: int | None = None,
    evaluate: Callable[..., Any] | None = None,
    stop: Callable[[History], bool] | None = None,
    callbacks: Sequence[Callable[[Snapshot], Any]] = (),
    progress: bool | None = None,
    directory: str | pathlib.Path | None = None,
    save: Callable[[PyTree], Any] | None = None,
    restore: Callable[[PyTree], PyTree | None] | None = None,
    save_every: int | None = None,
) -> Fitted:
    """Train with `step(tx, params, state, batch)` for so many `steps` or `epochs`; `loss` is a loss or a step of `make_step`.

    `data` is arrays with a `batch_size` (shuffled anew in each epoch, rows that fill no batch left out of it), batches to iterate
    over, or a function from the number of the step to a batch. `key` decides about order and keys of the loss; `params` stay yours.

    After every `every` steps (a hundredth of all) and at the end comes a record: the step's metrics and what `evaluate(params)` returns,
    a scalar or a dict of them, at `gradtx.eval_params`; it may have an argument `model_state`. Then `callbacks` are called with a
    `Snapshot`, and `stop(history)` may end the run, see `early_stop`. `progress` None shows a bar on a terminal if tqdm is there.

    A `directory` gets a checkpoint after every `save_every` steps (at each record unless given) and at the end; if it has some, training
    goes on from the last that is whole. It takes the steps that it would have taken: the result is the same, bit for bit, if the data
    come as arrays, by a function, or in the same order again. Instead of files, `save(checkpoint)` may keep a dict of params, state,
    step and history, and `restore(like)` return the last one, None if there is none.
    """
    if steps is not None and epochs is not None:
        raise ValueError("fit: give steps or epochs, not both.")
    _check_functions(evaluate=evaluate, stop=stop, save=save, restore=restore)
    if callable(callbacks) or not all(map(callable, callbacks)):
        raise TypeError(f"fit: callbacks must be a list of functions of a Snapshot, got {callbacks!r}.")
    if evaluate is not None and model_state is None and "model_state" in asked_by(evaluate, without_default=True):
        raise TypeError(
            "fit: evaluate asks for model_state, and there is none. Write fit(..., model_state=...), or leave the argument out."
        )
    step = loss if isinstance(loss, Step) else make_step(loss)
    order, draws = jax.random.split(random_key(key, "fit: key"))
    _check_counts(steps=(steps, 0), epochs=(epochs, 0), batch_size=(batch_size, 1), every=(every, 1), save_every=(save_every, 1))
    batches, total = batches_from(data, batch_size, order, steps, epochs)
    every = every or max(1, (total or 1000) // 100)
    if directory is not None:
        if save or restore:
            raise ValueError("fit: a directory has its own save and restore. Leave out one or the other.")
        seed = jax.random.key_data(random_key(key, "fit: key")).tolist()
        rows = {} if batch_size is None else {"batch_size": int(batch_size), "examples": len(jax.tree.leaves(data)[0])}
        save, restore = in_directory(directory, tx, {"key": seed, "batch_size": None, "examples": None, **rows})
    else:  # the next step overwrites arrays of its own alone
        save, restore = save and _with_copies(save), restore and _of_copies(restore)
    save_every = save_every or every
    params = jax.tree.map(lambda leaf: jnp.array(leaf, copy=True), params)
    state = step.init(tx, params, model_state)
    taken, history = 0, History()
    found = restore({"params": params, "state": state, "step": np.int64(0), "history": {}}) if restore else None
    if found is not None:
        params, state = found["params"], found["state"]
        taken, history = int(found["step"]), from_arrays(found["history"])
        if total is not None and taken > total:
            raise ValueError(
                f"fit: the last checkpoint is of step {taken}, and this run ends at step {total}. Train for {taken} steps at least, or "
                "give another directory."
            )
    stopped = bool(stop and history and stop(history))

    def record(metrics: Metrics) -> None:
        nonlocal history, stopped
        measured = {"step": taken, **metrics.scalars()}
        if evaluate is not None:
            asked = {"model_state": state["model_state"]} if model_state is not None and "model_state" in asked_by(evaluate) else {}
            measured |= _evaluated(evaluate, gx.eval_params(tx, params, step.optimizer_state(state)), asked)
        history = history.extended(measured)
        bar.show(measured)
        for callback in callbacks:
            callback(Snapshot(taken, tx, params, state, metrics, history))
        stopped = bool(stop and stop(history))

    with Bar(total, taken, progress) as bar:
        coming = Ahead(batches(taken) if not stopped else iter(()))
        for batch in coming:
            params, state, metrics = step(tx, params, state, batch, jax.random.fold_in(draws, taken))
            taken += 1
            bar.advance()
            if taken % every == 0 or coming.ended():
                record(metrics)
            if save and (stopped or taken % save_every == 0 or coming.ended()):
                save({"params": params, "state": state, "step": np.int64(taken), "history": history.to_arrays()})
            if stopped:
                break
    if total is not None and taken < total and not stopped:
        warnings.warn(f"fit: the data ended after {taken} of {total} steps. Give more batches, or fewer steps.", stacklevel=2)
    at = gx.eval_params(tx, params, step.optimizer_state(state))
    return Fitted(params, at, state, history, taken, stopped)


def _with_copies(save: Callable[[PyTree], Any]) -> Callable[[PyTree], Any]:
    return lambda checkpoint: save(_copied(checkpoint))


def _of_copies(restore: Callable[[PyTree], PyTree | None]) -> Callable[[PyTree], PyTree | None]:
    return lambda like: _copied(restore(like))


def _copied(tree: PyTree) -> PyTree:
    return jax.tree.map(lambda leaf: leaf.copy() if isinstance(leaf, jax.Array) else leaf, tree)


def _check_functions(**functions: Any) -> None:
    for name, function in functions.items():
        if function is not None and not callable(function):
            raise TypeError(f"fit: {name} must be a function, got {shown(function)}.")


def _check_counts(**counts: tuple[Any, int]) -> None:
    for name, (count, least) in counts.items():
        if count is not None and (not is_whole(count) or count < least):
            raise ValueError(f"fit: {name} must be a whole number of at least {least}, got {count!r}.")


def _evaluated(evaluate: Callable[..., Any], params: PyTree, asked: dict[str, PyTree]) -> dict[str, float]:
    """What `evaluate` says, by name: `evaluation`, or `evaluation/accuracy` for a dict."""
    found = scalars_of({"evaluation": evaluate(params, **asked)})
    if not found:
        raise TypeError("fit: evaluate must return a scalar or a dict of scalars. Write jnp.mean(...).")
    return found
