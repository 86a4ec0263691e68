"""A gradient transformation: a factory with its arguments that is also an `(init, update)` pair of pure functions."""

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Final, NamedTuple, ParamSpec, Self, TypeAlias, final, overload

import jax
import jax.numpy as jnp

from gradtx._core import contract
from gradtx._core.asking import asks_by_keyword, takes_extras
from gradtx._core.call import Call, register
from gradtx._core.evaluation import evaluated_entries
from gradtx._core.factory import factory
from gradtx._core.flow import Flow
from gradtx._core.hints import instead_of_transformation
from gradtx._core.joint import Check
from gradtx._core.kinds import Kind, shown
from gradtx._core.order import Place, check_order
from gradtx._core.run import Context, check_label, init_entries, labels, update_entries
from gradtx._core.types import PyTree

P = ParamSpec("P")


class Pair(NamedTuple):
    """Two functions, `init` and `update`: an optimizer for hosts that want closures."""

    init: Callable[..., Any]
    update: Callable[..., Any]


@final
class TransformationKind(Kind):
    """A transformation. `statistic` says that it is a moment, whose result is a statistic and not the update."""

    dynamic = True

    def __init__(self, statistic: bool = False) -> None:
        self.statistic = statistic

    def accept(self, value: Any, where: str) -> Any:
        return as_transformation(value, where)

    def resolve(self, value: Any, where: str, context: Context) -> Any:
        return value.bind(context, self.statistic)


@final
class GradientTransformation(Call):
    """An optimizer, or a part of one: a value made by a factory such as `adam(1e-3)`.

    It is a pytree whose leaves are its hyperparameters, and a pair of pure functions: `init, update = tx`. Read an
    argument as an attribute (`tx.learning_rate`), change it with `tx.replace(learning_rate=3e-4)`; `repr(tx)` is the
    call that makes it, and equality is by value.
    """

    argument_kind: Final = TransformationKind()
    _context: Context | None = None
    _statistic: bool = False

    def init(self, params: PyTree) -> dict[str, Any]:
        """The state for parameters like `params` (arrays, or `jax.ShapeDtypeStruct` for abstract ones).

        Returns nested dicts: `step`, and for each part that remembers something its name, its slots, and in each the
        tree of the parameters. None, integers, bools, keys and float0 leaves are not trained and have no state.
        """
        if self._context is not None:
            return init_entries(self, params, self._context.signals)
        return contract.init(self, params)

    def update(self, updates: PyTree, state: PyTree, params: PyTree = None, **extras: Any) -> tuple[PyTree, dict[str, Any]]:
        """One step: `(updates, state)` from the gradients, the state, the parameters, and extras such as `value_fn=`.

        For complex parameters pass the conjugate of `jax.grad`, which points uphill.
        The result has the structure, shapes and dtypes of `updates`; `apply_updates(params, updates)` adds it. The
        state comes back with exactly the types it had.
        """
        if self._context is None:
            return contract.update(self, updates, state, params, extras)
        context = self._context
        before = Flow(updates, updates) if self._statistic or context.flow is None else context.flow.moved(updates)
        after, entries = self.carry(before, state, params, **extras)
        setattr(context, "moment" if self._statistic else "inner", after)
        return after.updates, entries

    def carry(
        self, flow: Flow, state: PyTree, params: PyTree = None, *, step: Any = None, layer: Any = None, **extras: Any
    ) -> tuple[Flow, dict[str, Any]]:
        """One step within the body of a wrapper: the whole flow, updates and gradient, and the state.

        `step`, `params` and extras stand for others than the wrapper's own; `layer` is the number of one of several, for its random draws.
        """
        if self._context is None:
            raise TypeError(f"{self.form.name}: carry is for the body of a wrapper; call update(gradients, state, params).")
        given = {name: value for name, value in (("step", step), ("layer", layer)) if value is not None}
        signals = self._context.signals.replace(extras={**self._context.signals.extras, **extras}, **given)
        params = self._context.params if params is None and jax.tree.leaves(flow.updates) else params
        return update_entries(self, flow, state or {}, params, signals)

    def evaluate(self, params: PyTree, state: PyTree) -> PyTree:
        """Within the body of a wrapper: the parameters to evaluate at, as what it wraps keeps them."""
        if self._context is None:
            raise TypeError(f"{self.form.name}: evaluate is for the body of a wrapper; call eval_params(tx, params, state).")
        return evaluated_entries(self, params, state or {}, self._context.signals)

    def __iter__(self) -> Iterator[Callable[..., Any]]:
        return iter((self.init, self.update))

    @property
    def pair(self) -> Pair:
        """The two functions as closures, for hosts that refuse a pytree with array leaves in a static field."""
        return Pair(self.init, self.update)

    def bind(self, context: Context, statistic: bool) -> Self:
        """This transformation as a part of another: `init` and `update` then run inside the other's."""
        bound = type(self)(self.form, self.arguments)
        object.__setattr__(bound, "_context", context)
        object.__setattr__(bound, "_statistic", statistic)
        return bound

    def nonnegative(self) -> Self:
        """This moment for a part that feeds it squares or magnitudes: a codec then keeps what is above zero above zero."""
        return self if self._context is None else self.bind(self._context.of_nonnegative(), self._statistic)


register(GradientTransformation)

Moment: TypeAlias = Annotated[GradientTransformation, TransformationKind(statistic=True)]
"""A running statistic: a transformation that turns a tree into its average, sum or maximum over the steps."""


@overload
def transformation(body: Callable[P, Any]) -> Callable[P, GradientTransformation]: ...
@overload
def transformation(
    *,
    averages: bool | Callable[[Any, Any], bool] = False,
    uphill: bool | None = None,
    stands: Place | None = None,
    evaluates: bool = False,
    check: Check | None = None,
) -> Callable[[Callable[P, Any]], Callable[P, GradientTransformation]]: ...
def transformation(
    body: Callable[..., Any] | None = None,
    *,
    averages: bool | Callable[[Any, Any], bool] = False,
    uphill: bool | None = None,
    stands: Place | None = None,
    evaluates: bool = False,
    check: Check | None = None,
) -> Any:
    """Make a factory of transformations from a function that returns `(init, update)`, or a chain.

    The call becomes a value; its body runs anew at every `init` and `update`, with schedules already evaluated. Annotations say
    what an argument is: `Number` and its kin, `GradientTransformation` and `Moment` are children of the pytree; strings, bools,
    ints and functions are part of its structure. `update(updates, state, params=None, *, ...)` names what else it needs by keyword:
    `gradient` (the one behind the updates), `step`, `average`, or an extra the caller passes. Inside, leaves are real and float32 or wider.

    `averages=True` says that the updates become a running average, so that the gradient behind them stays what it was before;
    `uphill=True` that it adds what points uphill and belongs before a learning rate, like decay (False: behind); `stands` that it is the
    `"first"` of a chain (it takes the gradient anew), the `"last"` (nothing may change its updates), or changes nothing (`"anywhere"`);
    `evaluates=True` that it returns a third function, `evaluate(params, state)`, for `eval_params`; `check` as in `schedule`.

    ```python
    import gradtx, jax

    @gradtx.transformation
    def scale_by_half_life(half_life: gradtx.Positive):
        def update(updates, state, params=None, *, step):
            return jax.tree.map(lambda u: u * 0.5 ** (step / half_life), updates), state
        return (lambda params: None), update

    optimizer = gradtx.chain(gradtx.clip(1.0), scale_by_half_life(100.0), gradtx.sgd(0.1))
    ```
    """
    if body is None:
        traits = {"averages": averages, "uphill": uphill, "stands": stands, "evaluates": evaluates, "check": check}
        return functools.partial(factory, GradientTransformation, **traits)
    return factory(GradientTransformation, body)


def as_transformation(value: Any, where: str) -> GradientTransformation:
    """Return `value` if it is a transformation, wrap it if it is another library's, explain what it is otherwise."""
    if isinstance(value, GradientTransformation):
        return value
    if hasattr(value, "form") and not isinstance(value, Call):
        raise TypeError(f"{where} is the factory {value.form.name}, not a transformation. Call it: {value.form.usage}.")
    if isinstance(value, type) or not (hasattr(value, "init") and hasattr(value, "update")):
        raise TypeError(
            f"{where} must be a transformation (something with init and update), got {shown(value)}.{instead_of_transformation(value)}"
        )
    return foreign(value.init, value.update)


def _holds_averages(state: Any, moment: Flow | None) -> bool:
    """Whether a part with this state is taken to average: it remembers floating-point arrays."""
    return any(jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in jax.tree.leaves(state))


@functools.partial(
    factory, GradientTransformation, averages=_holds_averages, any_extras=lambda arguments: takes_extras(arguments["update_fn"])
)
def foreign(init_fn: Callable[..., Any], update_fn: Callable[..., Any]) -> Any:
    """Another library's pair of functions as a part. Made by itself wherever such a pair stands for a transformation.

    It is taken to average if its state holds floating-point arrays.
    """

    def init(params: PyTree) -> Any:
        return {"state": init_fn(params)}

    def update(updates: PyTree, state: Any, params: PyTree = None, **extras: Any) -> Any:
        updates, inner = update_fn(updates, state["state"], params, **(extras if takes_extras(update_fn) else {}))
        return updates, {"state": inner}

    return init, update


@transformation(stands="anywhere")
def identity() -> Any:
    """Leave the updates as they are: the unit of `chain`."""
    return (lambda params: None), (lambda updates, state: (updates, state))


@functools.partial(factory, GradientTransformation, any_extras=lambda arguments: asks_by_keyword(arguments["apply"]))
def stateless(apply: Callable[..., PyTree]) -> Any:
    """A part that remembers nothing, from `apply(updates, params=None, *, ...)`, which may ask for signals and extras by keyword.

    It is what most parts return: `return stateless(lambda updates: ...)`.
    """
    signature = inspect.signature(apply)

    def update(updates: PyTree, state: Any, *params: PyTree, **signals: Any) -> Any:
        return apply(updates, *params, **signals), state

    first, *rest = signature.parameters.values()
    state = inspect.Parameter("state", first.kind)
    setattr(update, "__signature__", signature.replace(parameters=[first, state, *rest]))  # noqa: B010
    return (lambda params: None), update


@functools.partial(factory, GradientTransformation, renames=True, check=check_label)
def named(name: str, transformation: GradientTransformation) -> Any:
    """`transformation` under a name of your choice in the state, where two parts of one chain would share theirs."""
    return transformation


@functools.partial(factory, GradientTransformation, composes=True)
def chain(*transformations: Annotated[Any, TransformationKind()]) -> Any:
    """Apply transformations one after the other, each to the updates of the one before.

    A chain in a chain is spliced in, so that `chain` is associative, with `identity()` as its unit. There is one learning rate, and
    weight decay comes before it. Any object with `init` and `update` may be a part, Optax's included; what it does is not seen.
    """
    spliced = tuple(inner for part in transformations for inner in (part.transformations if part.form.composes else (part,)))
    labels(spliced)
    check_order(spliced)
    return {"transformations": spliced}
