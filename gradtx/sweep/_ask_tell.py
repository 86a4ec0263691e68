"""Members that a study of Optuna chooses, batch by batch."""

from collections.abc import Callable
from typing import Any, final

import numpy as np

import gradtx as gx
from gradtx._core.kinds import is_real, shown
from gradtx.sweep._distributions import Distribution
from gradtx.sweep._run import check_whole
from gradtx.sweep._stack import stack


@final
class AskTell:
    """What `ask_tell` returns: `ask(n)` gives a batch of optimizers, `tell(scores)` takes theirs; in between train as you like."""

    def __init__(self, study: Any, factory: Callable[..., gx.GradientTransformation], arguments: dict[str, Any]) -> None:
        self._study, self._factory, self._arguments = study, factory, arguments
        self._open = list[Any]()
        self._made = dict[int, gx.GradientTransformation]()

    def ask(self, n: int) -> gx.GradientTransformation:
        """A batch of `n` optimizers that the sampler of the study chooses. If the factory raises an error, their trials are failed ones."""
        if self._open:
            raise RuntimeError(f"ask_tell: {len(self._open)} members are waiting for their scores. Call tell(scores) first.")
        check_whole("ask_tell", n=n)
        if n < 1:
            raise ValueError(f"ask_tell: n must be at least 1, got {n}.")
        trials = [self._study.ask() for _ in range(n)]
        try:
            made = {trial.number: self._factory(**self._drawn(trial)) for trial in trials}
            batch = stack(made.values())
        except Exception:
            for trial in trials:
                self._study.tell(trial, state=_failed())
            raise
        self._open, self._made = trials, self._made | made
        return batch

    def _drawn(self, trial: Any) -> dict[str, Any]:
        drawn = dict(self._arguments)
        for name, value in self._arguments.items():
            if isinstance(value, Distribution):
                drawn[name] = value.at(min(trial.suggest_float(f"{name} quantile", 0.0, 1.0), 1 - 2.0**-53))
                trial.set_user_attr(name, drawn[name] if isinstance(drawn[name], int | float | str | bool) else repr(drawn[name]))
        return drawn

    def tell(self, scores: Any) -> None:
        """The scores of the members asked for last, in their order. One that is not finite is told as a failed trial."""
        numbers = np.asarray(scores)
        if not self._open or numbers.shape != (len(self._open),):
            raise ValueError(
                f"ask_tell: tell takes one score for each of {len(self._open)} members, got an array of shape {numbers.shape}."
            )
        if not is_real(numbers):
            raise TypeError(f"ask_tell: scores must be real numbers, NaN for a member that failed, got {shown(scores)}.")
        for trial, score in zip(self._open, numbers.tolist(), strict=True):
            self._study.tell(trial, *([score] if np.isfinite(score) else [None, _failed()]))
        self._open = []

    @property
    def best(self) -> gx.GradientTransformation:
        """The optimizer of the best trial among those asked for here."""
        told = [trial for trial in self._study.get_trials(deepcopy=False) if trial.number in self._made and trial.value is not None]
        if not told:
            raise ValueError("ask_tell: there is no best yet: no member has a score that is finite.")
        sign = -1 if self._study.direction.name == "MAXIMIZE" else 1
        return self._made[min(told, key=lambda trial: sign * trial.value).number]


def _failed() -> Any:
    from optuna.trial import TrialState

    return TrialState.FAIL


def ask_tell(study: Any, factory: Callable[..., gx.GradientTransformation], /, **arguments: Any) -> AskTell:
    """Optimizers whose arguments a study of Optuna chooses, a batch at a time, from the distributions among `arguments`.

    The sampler works on quantiles, numbers between 0 and 1, so that a log-uniform learning rate is searched in its logarithm; each
    trial has the values themselves as user attributes. Samplers that learn from finished trials see a batch late: several small
    ones find more than one large one. The study says what is better and what is random: give its sampler a seed.
    It needs Optuna: `pip install "gradtx[optuna]"`.
    """
    try:
        import optuna
    except ImportError as error:
        raise ImportError('ask_tell needs Optuna: pip install "gradtx[optuna]".') from error
    if not isinstance(study, optuna.study.Study):
        raise TypeError(f"ask_tell: study must be a study of Optuna, got {type(study).__name__}. Write optuna.create_study().")
    if len(study.directions) != 1:
        raise ValueError(f"ask_tell: the study has {len(study.directions)} objectives, and tell takes one score for each member.")
    if not any(isinstance(value, Distribution) for value in arguments.values()):
        raise ValueError("ask_tell: none of the arguments is a distribution; give one, such as learning_rate=log_uniform(1e-5, 1e-1).")
    return AskTell(study, factory, arguments)
