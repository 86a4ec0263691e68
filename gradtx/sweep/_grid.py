"""Batches from one factory: every combination of values, or draws from distributions."""

import itertools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from gradtx import GradientTransformation
from gradtx._core.kinds import is_real, shown
from gradtx.sweep._distributions import Distribution
from gradtx.sweep._points import Points, independent
from gradtx.sweep._run import check_whole
from gradtx.sweep._stack import stack


def grid(factory: Callable[..., GradientTransformation], /, **arguments: Any) -> GradientTransformation:
    """The batch of every combination of the arguments that are lists or arrays of one axis, the last one varying fastest.

    Other arguments are the same for all. `factory` may be any function that returns an optimizer, so that numbers further in
    can vary as well. Arguments that are sequences themselves go into a list of one.

    ```python
    from gradtx import adamw, sgd, sweep, trace

    sweep.grid(adamw, learning_rate=[1e-4, 1e-3, 1e-2], weight_decay=[0.0, 0.1])
    sweep.grid(lambda rate, decay: sgd(rate, trace(decay)), rate=[0.1, 1.0], decay=[0.5, 0.9])
    ```
    """
    _check_factory("grid", factory)
    axes = {name: _values(name, value) for name, value in arguments.items()}
    return stack(factory(**dict(zip(axes, values, strict=True))) for values in itertools.product(*axes.values()))


def _values(name: str, value: Any) -> list[Any]:
    values = [item.item() for item in np.asarray(value)] if _is_vector(value) else value if isinstance(value, list | range) else [value]
    if not len(values):
        raise ValueError(f"grid: {name} has no values; give at least one.")
    return list(values)


def _is_vector(value: Any) -> bool:
    return isinstance(value, np.ndarray | jax.Array) and value.ndim == 1 and is_real(value)


def sample(
    factory: Callable[..., GradientTransformation], key: Any, n: int, /, *, points: Points = independent, **arguments: Any
) -> GradientTransformation:
    """The batch of `n` optimizers whose arguments are drawn from distributions, a function of the random key (or integer seed).

    Arguments that are no distribution are the same for all. `points=sobol` or `halton` places the draws more evenly than
    `independent` ones, which pays from about two hyperparameters on (Bergstra & Bengio 2012, section 5).

    ```python
    from gradtx import adamw, sweep

    sweep.sample(
        adamw, 0, 64, points=sweep.sobol,
        learning_rate=sweep.log_uniform(1e-5, 1e-1), b1=sweep.one_minus_log_uniform(0.5, 0.99), weight_decay=0.1,
    )
    ```
    """
    _check_factory("sample", factory)
    return stack(factory(**drawn) for drawn in draw(key, n, points, arguments))


def _check_factory(part: str, factory: Any) -> None:
    if not callable(factory):
        raise TypeError(f"{part}: give a function that returns an optimizer, such as adam, without calling it, got {shown(factory)}.")


def draw(key: Any, n: int, points: Points, arguments: dict[str, Any]) -> list[dict[str, Any]]:
    """`n` sets of arguments, those that are distributions replaced by their values at the points."""
    check_whole("sample", n=n)
    if n < 1:
        raise ValueError(f"sample: n must be at least 1, got {n}.")
    free = [name for name, value in arguments.items() if isinstance(value, Distribution)]
    if not free:
        raise ValueError("sample: none of the arguments is a distribution; give one, such as learning_rate=log_uniform(1e-5, 1e-1).")
    cube = points(key, n, len(free))
    return [{**arguments, **{name: arguments[name].at(float(u)) for name, u in zip(free, row, strict=True)}} for row in cube]
