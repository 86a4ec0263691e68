"""What a law is tried on: a transformation, its numbers, and a training loop around it."""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from gradtx._core.apply import apply_updates
from gradtx._core.kinds import shown
from gradtx._core.transformation import GradientTransformation
from gradtx._core.trees import path_name
from gradtx._core.types import PyTree
from gradtx.testing import _problem
from gradtx.testing._law import LAWS, NotApplicableError

Survival = Literal["all", "leaf", "none"]
"""What of an optimizer is finite again after one NaN in one leaf: everything, all but that leaf, or nothing."""


CUSTOMARY: dict[str, Callable[[PyTree, PyTree], Any]] = {
    "value": lambda params, grads: _problem.loss(params),
    "grad": lambda params, grads: grads,
    "value_fn": lambda params, grads: _problem.loss,
}
"""The extras that training loops pass, each made from parameters and gradients."""


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """A transformation to hold the laws against.

    `transformation` is a value of gradtx, any pair with `init` and `update`, or a factory; `arguments` are the
    factory's, and their floats are what the sweeping laws vary. `needs` names the extras that its update asks for
    (`"value"`, `"grad"`, `"value_fn"`), or maps names to functions of parameters and gradients. `params` is a tree to
    run on where the usual one (a matrix `w`, a vector `b`, a scalar `s`) will not do. `survives` states what is
    finite again after one NaN. `reference` takes the start and the gradients of one array and yields the array after each
    step, in float64. `exempt` maps names of laws to the reason why they are not for it.
    """

    transformation: Any
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict[str, Any])
    needs: Any = ()
    params: PyTree = None
    survives: Survival = "leaf"
    reference: Callable[[Any, Any], Iterable[Any]] | None = None
    exempt: Mapping[str, str] = dataclasses.field(default_factory=dict[str, str])
    name: str = ""

    def __post_init__(self) -> None:
        if isinstance(self.transformation, GradientTransformation) and self.arguments:
            raise TypeError(f"arguments belong to a factory, and {shown(self.transformation)} is called already.")
        if not self.is_pair and not callable(self.transformation):
            raise TypeError(f"a case is a transformation with init and update, or a factory of one, got {shown(self.transformation)}.")
        for name, reason in self.exempt.items():
            if name not in LAWS:
                raise ValueError(f"there is no law {name!r}; the laws are {', '.join(LAWS)}.")
            if not reason:
                raise ValueError(f"an exemption from {name!r} needs its reason.")
        if not self.name:
            tx = self.transformation
            label = tx.form.name if isinstance(tx, GradientTransformation) else getattr(tx, "__name__", type(tx).__name__)
            object.__setattr__(self, "name", label)

    def __repr__(self) -> str:
        return f"Case({self.name})"

    @property
    def is_pair(self) -> bool:
        return hasattr(self.transformation, "init") and hasattr(self.transformation, "update")

    @functools.cached_property
    def is_value(self) -> bool:
        """Whether it is a value of gradtx, to which the laws about values apply."""
        return isinstance(self.make(), GradientTransformation)

    @functools.cached_property
    def numbers(self) -> dict[str, Any]:
        """The hyperparameters that can be seen, by name. Those of a closure cannot."""
        if not self.is_pair:
            return {name: value for name, value in self.arguments.items() if isinstance(value, float)}
        if not self.is_value:
            return {}
        return {path_name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(self.transformation)}

    def make(self, numbers: Mapping[str, Any] | None = None) -> Any:
        """The transformation, with other numbers if given."""
        if not self.is_pair:
            return self.transformation(**{**self.arguments, **(numbers or {})})
        if not numbers:
            return self.transformation
        return jax.tree.structure(self.transformation).unflatten([numbers[name] for name in self.numbers])

    def value(self) -> GradientTransformation:
        """The transformation, if it is a value of gradtx."""
        if not self.is_value:
            raise NotApplicableError("it is no value of gradtx")
        return self.make()

    def visible_numbers(self) -> dict[str, Any]:
        """The hyperparameters, if there are any to be seen."""
        if not self.numbers:
            has_leaves = self.is_value or not self.is_pair
            raise NotApplicableError(
                "it has no numbers" if has_leaves else "its numbers are hidden in closures; give its factory and arguments"
            )
        return self.numbers

    def problem(self, dtype: Any = jnp.float32, seed: int = 0) -> PyTree:
        """Parameters in `dtype`."""
        return _problem.small_params(dtype, seed) if self.params is None else _problem.like(self.params, dtype, seed)

    def extras(self, params: PyTree, grads: PyTree, loss: Callable[[PyTree], Any] = _problem.loss) -> dict[str, Any]:
        """The extras that its update is called with."""
        known = {**CUSTOMARY, "value": lambda params, grads: loss(params), "value_fn": lambda params, grads: loss}
        needs = ("value_fn",) if self.is_value and not self.needs else self.needs
        makers = needs if isinstance(needs, Mapping) else {name: known[name] for name in needs}
        return {name: make(params, grads) for name, make in makers.items()}

    def update(self, numbers: Any, grads: PyTree, state: PyTree, params: PyTree) -> tuple[PyTree, PyTree]:
        """One update, with the extras it needs."""
        return self.make(numbers).update(grads, state, params, **self.extras(params, grads))

    def step(self, numbers: Any, params: PyTree, state: PyTree, dtype: Any = None) -> tuple[PyTree, PyTree, PyTree]:
        """One step of training, gradients in `dtype` where given: parameters, state, updates."""
        grads = jax.grad(_problem.loss, allow_int=True)(params)
        if dtype is not None:
            grads = jax.tree.map(lambda g: g.astype(dtype) if jnp.issubdtype(g.dtype, jnp.inexact) else g, grads)
        updates, state = self.update(numbers, grads, state, params)
        return apply_updates(params, updates), state, updates

    @functools.cached_property
    def compiled_step(self) -> Callable[..., Any]:
        """`step`, compiled once for all numbers."""
        return jax.jit(self.step, static_argnames="dtype")

    @functools.cached_property
    def compiled_update(self) -> Callable[..., Any]:
        return jax.jit(self.update)

    def walk(self, numbers: Any, params: PyTree, steps: int = 3, dtype: Any = None) -> tuple[PyTree, PyTree]:
        """Parameters and state after some steps of training."""
        state = self.make(numbers).init(params)
        for _ in range(steps):
            params, state, _ = self.compiled_step(numbers, params, state, dtype=dtype)
        return params, state

    def other_numbers(self) -> Iterator[dict[str, Any]]:
        """For each number, three sets of numbers that differ in it alone."""
        for name, value in self.numbers.items():
            for k, factor in enumerate((1.0, 0.97, 0.9)):
                changed = value + k if isinstance(value, int | np.integer) else factor * value
                yield {**self.numbers, name: changed}
