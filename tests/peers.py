"""The gradients of `tests.references.problem` through the optimizers of other libraries, in float64."""

import contextlib
from collections.abc import Iterator
from typing import Any

import jax
import keras
import numpy as np
import optax
import torch

from tests.references.problem import STEPS, Path, draws


@contextlib.contextmanager
def double_precision() -> Iterator[None]:
    """Float64 everywhere. PyTorch keeps NAdam's product of momenta in its default dtype, and Keras the learning rate."""
    of_torch, of_keras = torch.get_default_dtype(), keras.config.floatx()
    torch.set_default_dtype(torch.float64)
    keras.config.set_floatx("float64")
    try:
        with jax.enable_x64(True):
            yield
    finally:
        torch.set_default_dtype(of_torch)
        keras.config.set_floatx(of_keras)


def in_optax(tx: Any) -> Path:
    @jax.jit
    def run(params: Any, gradients: Any) -> Any:
        def step(carry: Any, gradient: Any) -> Any:
            params, state = carry
            updates, state = tx.update(gradient, state, params)
            params = optax.apply_updates(params, updates)
            return (params, state), params

        return jax.lax.scan(step, (params, tx.init(params)), gradients)[1]

    with double_precision():
        return jax.tree.map(np.asarray, run(*draws()))


def in_torch(name: str, **arguments: Any) -> Path:
    start, gradients = draws()
    with double_precision():
        params = {leaf: torch.tensor(value, requires_grad=True) for leaf, value in start.items()}
        optimizer = getattr(torch.optim, name)(list(params.values()), **arguments)
        path: dict[str, list[np.ndarray]] = {leaf: [] for leaf in start}
        for k in range(STEPS):
            for leaf, param in params.items():
                param.grad = torch.tensor(gradients[leaf][k])
            optimizer.step()
            for leaf, param in params.items():
                path[leaf].append(param.detach().numpy().copy())
    return {leaf: np.stack(points) for leaf, points in path.items()}


def in_keras(name: str, **arguments: Any) -> Path:
    start, gradients = draws()
    with double_precision():
        optimizer = getattr(keras.optimizers, name)(**arguments)
        variables = [keras.Variable(start[leaf]) for leaf in start]
        optimizer.build(variables)

        @jax.jit
        def step(params: list[Any], state: list[Any], gradient: list[Any]) -> Any:
            return optimizer.stateless_apply(state, gradient, params)

        params, state = [variable.value for variable in variables], [variable.value for variable in optimizer.variables]
        points = []
        for k in range(STEPS):
            params, state = step(params, state, [gradients[leaf][k] for leaf in start])
            points.append([np.asarray(param) for param in params])
    return {leaf: np.stack(column) for leaf, column in zip(start, zip(*points, strict=True), strict=True)}
