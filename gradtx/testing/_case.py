"""What a law is tried on: a transformation, its numbers, and a training loop around it."""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from gradtx._core.apply import apply_updates
from gradtx._core.kinds import shown
from gradtx._core.numerics import strong
from gradtx._core.transformation import GradientTransformation
from gradtx._core.trees import path_name
from gradtx._core.types import PyTree
from gradtx.testing import _problem
from gradtx.testing._law import LAWS, NotApplicableError

Survival = Literal["all", "leaf", "none"]
"""What of an optimizer is finite again after one NaN in one leaf: everything, all but that leaf, or nothing."""


Loss: TypeAlias = Callable[[PyTree], jax.Array]
"""A function of parameters."""

BATCH = 3
"""How many values of a number, or problems, are tried side by side."""

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
    factory's, and their numbers are what the sweeping laws vary, but for integers that it annotates as `int`: those are
    structure. `needs` names the extras that its update asks for
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
            return {name: value for name, value in self.arguments.items() if _is_number(value) and not _is_structure(self, name, value)}
        if not self.is_value:
            return {}
        return {path_name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(self.transformation)}

    @functools.cached_property
    def untraceable(self) -> dict[str, str]:
        """The numbers that have to be known when a step is traced, each with the error that says so."""
        together = self._why_untraceable(self.numbers)
        if not together:
            return {}
        if self._why_untraceable([]):
            raise NotApplicableError("no step of it can be traced, whatever its numbers")
        alone = {name: self._why_untraceable([name]) for name in self.numbers}
        return {name: error for name, error in alone.items() if error} or dict.fromkeys(self.numbers, together)

    def _why_untraceable(self, names: Iterable[str]) -> str:
        """The error of init and a step in which tracers stand for these numbers."""
        params = self.problem()

        def first_step(numbers: Mapping[str, Any]) -> Any:
            return self.step(numbers, params, self.make(numbers).init(params))

        try:
            jax.eval_shape(first_step, {name: self.numbers[name] for name in names})
        except Exception as error:
            return f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"
        return ""

    def make(self, numbers: Mapping[str, Any] | None = None) -> Any:
        """The transformation, with other numbers if given."""
        if not self.is_pair:
            return self.transformation(**{**self.arguments, **(numbers or {})})
        if not numbers:
            return self.transformation
        return jax.tree.structure(self.transformation).unflatten({**self.numbers, **numbers}.values())

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

    def traced_numbers(self) -> dict[str, Any]:
        """The hyperparameters for which tracers may stand, if there are any. A law of its own is about the others."""
        found = {name: value for name, value in self.visible_numbers().items() if name not in self.untraceable}
        if not found:
            raise NotApplicableError("none of its numbers can be traced")
        return found

    def numbers_in_force(self) -> dict[str, Any] | None:
        """The numbers as arrays, for a program that serves other numbers too; None, as they are, if there are none that can be traced.

        Another library's arithmetic may have other types with an array than with a Python number.
        """
        if not self.is_value:
            return None
        try:
            return {name: strong(number) for name, number in self.traced_numbers().items()}
        except NotApplicableError:
            return None

    def problem(self, dtype: Any = jnp.float32, seed: int = 0) -> PyTree:
        """Parameters in `dtype`."""
        return _problem.small_params(dtype, seed) if self.params is None else _problem.like(self.params, dtype, seed)

    def extras(self, params: PyTree, grads: PyTree, loss: Loss = _problem.loss) -> dict[str, Any]:
        """The extras that its update is called with."""
        known = {**CUSTOMARY, "value": lambda params, grads: loss(params), "value_fn": lambda params, grads: loss}
        needs = ("value_fn",) if self.is_value and not self.needs else self.needs
        makers = needs if isinstance(needs, Mapping) else {name: known[name] for name in needs}
        return {name: make(params, grads) for name, make in makers.items()}

    def update(self, numbers: Any, grads: PyTree, state: PyTree, params: PyTree, loss: Loss = _problem.loss) -> tuple[PyTree, PyTree]:
        """One update, with the extras it needs."""
        return self.make(numbers).update(grads, state, params, **self.extras(params, grads, loss))

    def step(self, numbers: Any, params: PyTree, state: PyTree, dtype: Any = None) -> tuple[PyTree, PyTree, PyTree]:
        """One step of training, gradients in `dtype` where given: parameters, state, updates."""
        grads = _cast(_problem.slope(params), dtype)
        updates, state = self.compiled_update(numbers, grads, state, params)
        return apply_updates(params, updates), state, updates

    @functools.cached_property
    def jitted(self) -> jax.stages.Wrapped:
        """`update` within `jax.jit`."""
        return self.jitted_again()

    def jitted_again(self) -> jax.stages.Wrapped:
        """The same with a count of its own of the programs that it runs. JAX compiles each once for all of them."""
        return jax.jit(self.update, static_argnames="loss")

    def compiled_update(
        self,
        numbers: Any,
        grads: PyTree,
        state: PyTree,
        params: PyTree,
        loss: Loss = _problem.loss,
        jitted: Callable[..., Any] | None = None,
    ) -> tuple[PyTree, PyTree]:
        """`update`, traced and compiled once for all laws and all numbers: within other programs, it need not be traced again."""
        return (jitted or self.jitted)(numbers, grads, state, params, loss=loss)

    def compiled_step(self, numbers: Any, params: PyTree, state: PyTree, loss: Loss = _problem.loss, **how: Any) -> tuple[PyTree, PyTree]:
        """One step of training, of which the update alone is compiled for this transformation: parameters and state."""
        updates, state = self.compiled_update(numbers, _problem.gradient(params, loss=loss), state, params, loss, **how)
        return _problem.moved(params, updates), state

    @functools.cached_property
    def mapped(self) -> jax.stages.Wrapped:
        """`update` for a batch of numbers, gradients, states and parameters."""
        return jax.jit(jax.vmap(self.compiled_update))

    def walk(self, numbers: Any, params: PyTree, steps: int = 3, loss: Loss = _problem.loss) -> tuple[PyTree, PyTree]:
        """Parameters and state after some steps of training."""
        state = self.make(numbers).init(params)
        for _ in range(steps):
            params, state = self.compiled_step(numbers, params, state, loss)
        return params, state

    def other_numbers(self) -> Iterator[dict[str, Any]]:
        """For each number that can be traced, three sets of numbers that differ in it alone."""
        numbers = self.traced_numbers()
        for name, value in numbers.items():
            for k in range(BATCH):
                yield {other: strong(one) for other, one in {**numbers, name: _another(value, k)}.items()}


def _cast(grads: PyTree, dtype: Any) -> PyTree:
    return grads if dtype is None else jax.tree.map(lambda g: g.astype(dtype) if jnp.issubdtype(g.dtype, jnp.inexact) else g, grads)


def _is_number(value: Any) -> bool:
    is_numeric = isinstance(value, int | float | np.generic | np.ndarray | jax.Array)
    return is_numeric and jnp.issubdtype(jnp.result_type(value), jnp.number)


def _is_structure(case: Case, name: str, value: Any) -> bool:
    """Whether an argument of a factory is no number to it but part of its structure: a size, an axis, how often a loop runs."""
    form = getattr(case.transformation, "form", None)
    if form is not None:
        return name in form.kinds and not form.kinds[name].dynamic
    if not jnp.issubdtype(jnp.result_type(value), jnp.integer):
        return False
    parameter = inspect.signature(case.transformation).parameters.get(name)
    return parameter is not None and parameter.annotation in (int, "int")


def _another(value: Any, k: int) -> Any:
    """The value itself for 0, then others near it: smaller numbers, larger integers, other keys."""
    if hasattr(value, "dtype") and jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
        return jax.random.fold_in(value, k) if k else value
    return value + k if jnp.issubdtype(jnp.result_type(value), jnp.integer) else (1.0, 0.97, 0.9)[k] * value
