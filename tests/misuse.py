"""Misuse: what people hand over by mistake, for every factory of the table, and how an error must look that teaches."""

import dataclasses
import functools
import linecache
import pathlib
import re
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import gradtx as gx
from gradtx import GradientTransformation
from gradtx._core.kinds import NumberKind
from gradtx._core.run import label
from tests.cases import CASES, loss, make_params

PACKAGE = str(pathlib.Path(gx.__file__).parent)
PARAMS = make_params()
GRADS = make_params(seed=1)
ARRAY = r"an array of shape \(4, 3\) and dtype float32"
TAUGHT = (ValueError, TypeError, AttributeError)


def fault(call: Callable[[], Any], *says: str) -> str | None:
    """What is wrong with how `call` is refused: nothing where gradtx itself raises an error that says all of `says`."""
    try:
        call()
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{frame.filename}:{frame.lineno}: {type(error).__name__}: {error}"
        if type(error) not in TAUGHT:
            return f"not an error of gradtx's, {where}"
        if not frame.filename.startswith(PACKAGE) or not linecache.getline(frame.filename, frame.lineno or 0).lstrip().startswith("raise "):
            return f"raised from below, {where}"
        return next((f"does not say {each!r}, {where}" for each in says if not re.search(each, str(error))), None)
    return "accepted"


@dataclasses.dataclass(frozen=True, eq=False)
class Subject:
    """A row of the table with a state of its own that misuse must not touch."""

    tx: GradientTransformation
    for_matrices: bool

    def trained(self, tx: GradientTransformation | None = None) -> GradientTransformation:
        """What is given `PARAMS`: the row itself, or another `tx` in its place; what is for matrices alone has the one matrix."""
        tx = self.tx if tx is None else tx
        return gx.masked("w", tx) if self.for_matrices else tx

    @functools.cached_property
    def state(self) -> dict[str, Any]:
        return self.trained().init(PARAMS)

    @property
    def part(self) -> str:
        return re.escape(label(self.trained()))

    def update(self, grads: Any = GRADS, state: Any = None, params: Any = PARAMS, **extras: Any) -> Any:
        return self.trained().update(grads, self.state if state is None else state, params, **{"value_fn": loss, "value": 1.0, **extras})

    def remembers(self) -> bool:
        return len(self.state) > 1

    def tells_apart(self, params: Any) -> bool:
        """Whether the state for `params` looks different from the state for `PARAMS`."""
        try:
            return avals(jax.eval_shape(self.trained().init, params)) != avals(self.state)
        except ValueError:  # `where` matches no leaf of these
            return False

    def with_(self, argument: str, value: Any) -> GradientTransformation:
        return self.tx.replace(**{argument: (value,) if argument == self.tx.form.variadic else value})

    def arguments(self, kind: type) -> Iterator[str]:
        return (name for name in self.tx.form.kinds if isinstance(self.kind(name), kind))

    def kind(self, argument: str) -> Any:
        """What an argument may be if it is not None."""
        own = self.tx.form.kinds[argument]
        return getattr(own, "kind", own)


def first_step(tx: GradientTransformation) -> Any:
    return tx.update(GRADS, tx.init(PARAMS), PARAMS, value_fn=loss, value=1.0)


def avals(tree: Any) -> Any:
    return jax.tree.structure(tree), [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(tree)]


@functools.cache
def subject(name: str) -> Subject:
    (case,) = (case for case in CASES if case.name == name)
    return Subject(case.make(), case.params is not None)


def without(tree: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in tree.items() if name != key}


def renamed(tree: dict[str, Any], key: str) -> dict[str, Any]:
    return {f"old_{name}" if name == key else name: value for name, value in tree.items()}


def abstract(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), tree)


UNLIKE = "the updates are not a tree like the parameters: .*Give one update for each leaf of the parameters, as jax.grad"
NO_FLOAT = f"at w, where the parameters have {ARRAY}. Give a floating-point array"

# Trees given as gradients, each with what its refusal says.
GRADIENTS: dict[str, tuple[Any, list[str]]] = {
    "a missing key": (without(GRADS, "s"), [UNLIKE, "missing: s"]),
    "an extra key": ({**GRADS, "x": jnp.ones(2)}, [UNLIKE, "unexpected: x"]),
    "a renamed key": (renamed(GRADS, "w"), [UNLIKE, "missing: w; unexpected: old_w"]),
    "a list": (list(GRADS.values()), [UNLIKE, "missing: b, s, w; unexpected: 0, 1, 2"]),
    "a list at a leaf": ({**GRADS, "b": [jnp.ones(3)]}, [UNLIKE, "missing: b; unexpected: b/0"]),
    "one array": (GRADS["w"], [UNLIKE, "missing: b, s, w"]),
    "None for all": (None, [UNLIKE, "missing: b, s, w"]),
    "another shape": ({**GRADS, "w": jnp.ones((4, 1))}, [r"have shape \(4, 1\) at w, .* shape \(4, 3\)\. .*give both the same shape"]),
    "another rank": ({**GRADS, "s": jnp.ones(1)}, [r"have shape \(1,\) at s, where the parameters have shape \(\)\. .*the same shape"]),
    "integers": ({**GRADS, "w": jnp.ones((4, 3), int)}, [f"dtype int32 {NO_FLOAT}", r"\.astype"]),
    "bools": ({**GRADS, "w": jnp.ones((4, 3), bool)}, [f"dtype bool {NO_FLOAT}", r"\.astype"]),
    "complex numbers": ({**GRADS, "w": jnp.ones((4, 3), complex)}, [f"have complex numbers at w, .*are real, {ARRAY}. Take the real part"]),
    "None at a leaf": ({**GRADS, "w": None}, [f"have None at w, where the parameters have {ARRAY}. .*wrap the optimizer in freeze"]),
    "a string at a leaf": ({**GRADS, "w": "w"}, [rf"have 'w' \(str\) {NO_FLOAT}"]),
    "objects at a leaf": ({**GRADS, "w": np.full((4, 3), None)}, [f"dtype object {NO_FLOAT}"]),
    "a leaf without value": (abstract(GRADS), ["have no value at b, .* Give an array, or write jax.eval_shape"]),
}

PARAMETERS: dict[str, tuple[Any, list[str]]] = {
    "a missing key": (without(PARAMS, "s"), [UNLIKE, "unexpected: s"]),
    "an extra key": ({**PARAMS, "x": jnp.ones(2)}, [UNLIKE, "missing: x"]),
    "a tuple": (tuple(PARAMS.values()), [UNLIKE, "missing: 0, 1, 2; unexpected: b, s, w"]),
    "a function": (loss, [UNLIKE, r"missing: \(the leaf itself\); unexpected: b, s, w"]),
    "another shape": ({**PARAMS, "w": jnp.ones((2, 3))}, [r"have shape \(4, 3\) at w, where the parameters have shape \(2, 3\)\. "]),
    "a leaf without value": (abstract(PARAMS), ["the parameters have no value at b, .* Give an array, or write jax.eval_shape"]),
}

NOT_A_STATE = (
    r"the state must be what init\(params\) returned \(a dict with 'step'\), got .*\. The order is update\(gradients, state, params\)"
)
OTHERS = r"the state belongs to another optimizer or to other parameters: .*\. Make a new one with init\(params\)"
ANEW = r"Make a new one with init\(params\)"


def first_slot(state: dict[str, Any], change: Callable[[dict[str, Any], str], Any]) -> dict[str, Any]:
    """The state with the innermost dict around its first array changed, which is where a slot is named."""

    def changed(entry: dict[str, Any]) -> dict[str, Any]:
        key = min(entry)
        inner = entry[key]
        is_slot = not isinstance(inner, dict) or set(inner) <= set(PARAMS)
        return change(entry, key) if is_slot else {**entry, key: changed(inner)}

    return {"step": state["step"], **changed(without(state, "step"))}


def first_array(state: dict[str, Any], change: Callable[[Any], Any]) -> dict[str, Any]:
    leaves, structure = jax.tree.flatten(without(state, "step"))
    return {"step": state["step"], **structure.unflatten([change(leaves[0]), *leaves[1:]])}


# What is given as the state of a row that remembers something, made from its own, each with what its refusal says.
STATES: dict[str, tuple[Callable[[Subject], Any], list[str]]] = {
    "a slot renamed": (lambda of: first_slot(of.state, renamed), [OTHERS, "missing: .*; unexpected: .*old_", "rename the entries"]),
    "a slot missing": (lambda of: first_slot(of.state, without), [OTHERS, "missing: "]),
    "everything missing": (lambda of: {"step": of.state["step"]}, [OTHERS, "missing: "]),
    "half precision": (
        lambda of: first_array(of.state, lambda x: x.astype(jnp.float16)),
        [r"has dtype float16 at [\w/ ]+, where (\w+32|uint8) is kept", ANEW],
    ),
    "a string": (
        lambda of: first_array(of.state, lambda x: "x"),
        [r"has 'x' \(str\) at [\w/ ]+, where an array of dtype \w+ is kept", ANEW],
    ),
    "no value": (lambda of: {**abstract(of.state), "step": of.state["step"]}, [r"has no value at [\w/ ]+, where an array of", ANEW]),
    "a batch": (lambda of: first_array(of.state, lambda x: jnp.stack([x, x])), [r"has shape \(2,.*\) at [\w/ ]+, where .* need \(", ANEW]),
}

# The same for every row.
ANY_STATES: dict[str, tuple[Callable[[Subject], Any], list[str]]] = {
    "another optimizer's": (lambda of: gx.named("another", gx.trace(0.5)).init(PARAMS), [OTHERS, "unexpected: another/"]),
    "no step": (lambda of: without(of.state, "step"), [NOT_A_STATE, "got a dict of "]),
    "a float step": (lambda of: {**of.state, "step": 1.5}, [r"has 1.5 \(float\) at step, where an integer counts the steps. .*cast it"]),
    "a string step": (lambda of: {**of.state, "step": "3"}, [r"has '3' \(str\) at step, where an integer counts the steps. " + ANEW]),
    "many steps": (lambda of: {**of.state, "step": jnp.zeros(3, int)}, [r"of shape \(3,\) and dtype int32 at step, .*under jax.vmap"]),
    "Optax's": (lambda of: optax.adam(0.1).init(PARAMS), [NOT_A_STATE, "got tuple"]),
    "the parameters": (lambda of: PARAMS, [NOT_A_STATE, "got a dict of w, b, s"]),
    "a list": (lambda of: [of.state], [NOT_A_STATE, "got list"]),
}

UNKNOWN_EXTRAS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a misspelt extra": (
        {"value_fm": loss},
        [r"no transformation takes an extra called 'value_fm' \(did you mean 'value_fn'\?\)", "Known"],
    ),
}
EXTRAS: dict[str, tuple[dict[str, Any], list[str]]] = {
    **{
        name: ({name: GRADS}, [f"'{name}' is kept by the optimizer itself; leave it out"])
        for name in ("step", "gradient", "average", "flow")
    },
    "a loss for its function": (
        {"value_fn": 3.0},
        [r"value_fn must be a function of the parameters, got 3.0 \(float\). Write value_fn=lambda"],
    ),
    "losses for a loss": ({"value": jnp.ones(3)}, [r"value must be a scalar, .*, got an array of shape \(3,\).*Write jnp.mean"]),
    "a string for a loss": ({"value": "low"}, [r"value must be a scalar, the loss at the parameters, got 'low' \(str\)"]),
}


def outside(kind: NumberKind) -> list[float]:
    """Numbers that the range of an argument forbids."""
    interval = kind.interval
    ends = [end for end, is_open in ((interval.low, interval.low_open), (interval.high, interval.high_open)) if is_open]
    beyond = [interval.low - 1, interval.high + 1]
    return [*(x for x in [*ends, *beyond] if np.isfinite(x)), np.nan, np.inf, -np.inf]


NO_NUMBER = "must be a number, an array or a schedule, got "

# What is given for a number, each with what its refusal says behind the part and the argument.
NOT_NUMBERS: dict[str, tuple[Any, str]] = {
    "a string": ("0.5", NO_NUMBER + r"'0.5' \(str\). Write the number without quotes"),
    "a bool": (True, NO_NUMBER + r"True \(bool\). Write 1.0 or 0.0"),
    "a list": ([0.5], NO_NUMBER + r"\[0.5\] \(list\). .*write jnp.array\(\[\.\.\.\]\)"),
    "a dict": ({"w": 0.5}, NO_NUMBER + r"\{'w': 0.5\} \(dict\)\. .*scale_by_tree"),
    "a factory of schedules": (gx.linear_schedule, NO_NUMBER + r".*linear_schedule is a factory: call it with its arguments"),
    "the class of schedules": (gx.Schedule, NO_NUMBER + r".*A schedule is a value made by a factory such as linear_schedule"),
    "a function": (lambda step: 0.5, NO_NUMBER + r".*A schedule is a value made by a factory such as linear_schedule"),
    "a transformation": (gx.clip(1.0), NO_NUMBER + r"clip\(max_delta=1.0\) .*A transformation stands in its place"),
    "complex": (0.5j, r"must be real, got 0.5j \(complex\): its imaginary part would be lost. Write its real part"),
    "an array of bools": (jnp.array([True]), r"must be a real number, got an array of shape \(1,\) and dtype bool. Write .*astype"),
    "an array with one outside": (jnp.array([jnp.nan, 0.5]), r"must be .*, got an array of shape \(2,\) and dtype float32"),
}

NOT_KEYS: dict[str, Any] = {
    "a string": "7",
    "a bool": True,
    "a float": 0.5,
    "a list": [7],
    "None": None,
    "floats": jnp.ones(2),
    "a function": lambda: 7,
}

NOT_CHOICES: dict[str, tuple[Any, str]] = {
    "a number": (3, r"must be a pattern over paths, .*, got 3 \(int\)\. Write '\*/kernel'"),
    "a list of patterns": (["w", "b"], r"must be a pattern over paths, .*, got \['w', 'b'\] \(list\)\. .*Write '\*/kernel'"),
    "a tree of bools": ({"w": True}, r"must be a pattern over paths, .*, got \{'w': True\} \(dict\)\. .*Write .*lambda path, leaf"),
    "a transformation": (gx.trace(0.9), r"must be a pattern over paths, .*A transformation stands in its place: are two arguments swapped"),
    "a function of the leaf alone": (lambda leaf: True, r"must take two arguments, the path and the leaf, got .*Write lambda path, leaf"),
}

NOT_TRANSFORMATIONS: dict[str, tuple[Any, str]] = {
    "a factory": (gx.trace, r"is the factory trace, not a transformation. Call it: trace\(decay\)"),
    "a number": (0.9, r"must be a transformation .*, got 0.9 \(float\). Write trace\(0.9\)"),
    "a number that is no decay": (5, r"must be a transformation .*, got 5 \(int\)\. .*are two arguments swapped\?"),
    "None": (None, r"must be a transformation .*, got None \(NoneType\)\. .*identity\(\)"),
    "a list": ([gx.trace(0.9)], r"must be a transformation .*, got \[.*write chain\(a, b\)"),
    "a string": ("trace", r"must be a transformation .*, got 'trace' \(str\)\. "),
    "a schedule": (gx.linear_schedule(0.9, 0.5, 3), r"must be a transformation .*, got linear_schedule\(.*\. .*scale\(schedule\)"),
    "a class": (optax.GradientTransformation, r"must be a transformation .*, got <class .*\. Call it"),
}
