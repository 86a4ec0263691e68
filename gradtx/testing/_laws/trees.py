"""Trees: any container, any leaf, and nothing that depends on how the leaves are arranged."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradtx._core.apply import apply_updates
from gradtx._core.roles import role, roles
from gradtx._core.trees import is_trainable, path_name
from gradtx._core.types import PyTree
from gradtx._wrappers.layerwise import layerwise
from gradtx.testing import _problem
from gradtx.testing._case import Case
from gradtx.testing._compare import NARROW, WIDE, close, finite, member, program, same_structure, same_types, shown, stacked
from gradtx.testing._law import NotApplicableError, Violation, law

TREES: dict[str, Callable[[], PyTree]] = {
    "an empty tree": dict,
    "a bare array": lambda: jnp.ones(3),
    "a bare scalar": lambda: jnp.ones(()),
    "Python numbers": lambda: {"s": 1.0, "t": (2.0, 3.0)},
    "a leaf of size zero": lambda: {"s": jnp.ones((0, 3)), "t": jnp.ones(2)},
    "nested containers with None": lambda: {"s": [{"x": jnp.ones((2, 2))}, (jnp.ones(1),)], "none": None},
}

UNTRAINED: dict[str, Callable[[], PyTree]] = {
    "an integer leaf": lambda: {"s": jnp.ones(2), "n": jnp.arange(3)},
    "a bool": lambda: {"s": jnp.ones(2), "n": jnp.array(True)},
    "a key": lambda: {"s": jnp.ones(2), "n": jax.random.key(0)},
}


def _free(case: Case) -> None:
    if case.params is not None:
        raise NotApplicableError("it runs on trees of its own kind")


def _one_step(case: Case, params: PyTree, grads: PyTree) -> tuple[PyTree, PyTree]:
    tx = case.make()
    state = tx.init(params)
    updates, after = tx.update(grads, state, params, **case.extras(params, grads))
    same_structure(state, after)
    same_types(jax.eval_shape(lambda: state), jax.eval_shape(lambda: after))
    return updates, apply_updates(params, updates)


def _named(tree: str, violation: Violation) -> Violation:
    return Violation(violation.expected, violation.seen, f"{violation.leaf} in {tree}" if violation.leaf else tree)


@law("Use jax.tree.map for everything, let no rule need an axis, and divide by max(size, 1).")
def every_kind_of_tree(case: Case) -> None:
    """Parameters may come in any container: empty, a bare array, scalars, nested, with None."""
    _free(case)
    found = jax.jit(lambda: {name: _step_on(case, name, make()) for name, make in TREES.items()})()
    for name, updates in found.items():
        try:
            finite(updates, "updates")
        except Violation as violation:
            raise _named(name, violation) from None


def _step_on(case: Case, name: str, params: PyTree) -> PyTree:
    """The updates of one step, after which no shape is another."""
    try:
        updates, moved = _one_step(case, params, jax.tree.map(jnp.ones_like, params))
        same_structure(params, moved)
        for (path, before), after in zip(jax.tree_util.tree_leaves_with_path(params), jax.tree.leaves(moved), strict=True):
            if jnp.shape(before) != jnp.shape(after):
                raise Violation(str(jnp.shape(before)), str(jnp.shape(after)), path_name(path))
    except Violation as violation:
        raise _named(name, violation) from None
    except Exception as error:
        raise Violation("a step", f"{type(error).__name__}: {str(error).splitlines()[0]}", name) from error
    return updates


@law("Leave what cannot be trained out: no state, no update. Map over jnp.issubdtype(p.dtype, jnp.inexact) leaves only.")
def untrained_leaves_are_left_alone(case: Case) -> None:
    """Counters, flags and random keys among the parameters stay what they are, whether their gradient is None, zero or float0."""
    _free(case)
    for name, make in UNTRAINED.items():
        params = make()
        gradients: list[Any] = [None]
        if name == "an integer leaf":
            gradients += [np.zeros(3, jax.dtypes.float0), jnp.ones(3, jnp.int32)]
        for gradient in gradients:
            given = "None" if gradient is None else str(gradient.dtype)
            try:
                updates, moved = _one_step(case, params, {"s": jnp.ones(2), "n": gradient})
            except Exception as error:
                raise Violation("a step", f"{type(error).__name__}: {str(error).splitlines()[0]}", f"{name}, gradient {given}") from error
            is_key = jnp.issubdtype(params["n"].dtype, jax.dtypes.prng_key)
            before, after = (jax.random.key_data(tree["n"]) if is_key else tree["n"] for tree in (params, moved))
            if before.dtype != after.dtype or not bool(jnp.all(before == after)):
                raise Violation(shown(before), shown(after), f"{name}, gradient {given}")
            update = updates["n"]
            is_number = update is not None and jnp.issubdtype(update.dtype, jnp.number) and update.dtype != jax.dtypes.float0
            if is_number and bool(jnp.any(update != 0)):
                raise Violation("no update", shown(update), f"{name}, gradient {given}")


@law("Refuse a gradient whose shape is not the parameter's, naming the leaf.")
def other_shapes_are_refused(case: Case) -> None:
    """A gradient of shape (4, 1) for a weight of (4, 3) is an error at once, and not broadcast in silence."""
    params = case.problem()
    entries, structure = jax.tree_util.tree_flatten_with_path(params)
    path, leaf = next((entry for entry in entries if is_trainable(entry[1]) and entry[1].ndim and entry[1].shape[-1] > 1), (None, None))
    if path is None or leaf is None:
        raise NotApplicableError("its parameters have no axis to broadcast")
    thin = [one[..., :1] if place == path else one for place, one in entries]
    tx = case.make()
    state = tx.init(params)
    try:
        updates, _ = tx.update(structure.unflatten(thin), state, params, **case.extras(params, params))
        moved = apply_updates(params, updates)
    except (TypeError, ValueError) as error:
        if path_name(path) not in str(error):
            raise Violation("an error that names the leaf", str(error).splitlines()[0], path_name(path)) from None
        return
    raise Violation("an error", f"parameters of shape {[jnp.shape(leaf) for leaf in jax.tree.leaves(moved)]}", path_name(path))


@law("Treat the real and the imaginary part as two real leaves.")
def complex_equals_real_and_imaginary_parts(case: Case) -> None:
    """Complex parameters train as their real and imaginary parts would."""
    _free(case)
    with jax.enable_x64(True):
        parts = {
            "w": {"real": jnp.array([[1.0, -2.0]], float), "imag": jnp.array([[0.5, 1.5]], float)},
            "s": {"real": jnp.array(0.3, float), "imag": jnp.array(-1.0, float)},
        }
        apart = _joined(_movement(case, parts, _bowl_of_parts))
        whole = _movement(case, _joined(parts), _complex_bowl)
        size = max(float(jnp.max(jnp.abs(leaf))) for leaf in jax.tree.leaves(apart))
        if size:
            close(*(jax.tree.map(lambda leaf: leaf / size, tree) for tree in (apart, whole)), **NARROW)


def _joined(tree: PyTree) -> PyTree:
    return {name: jax.lax.complex(part["real"], part["imag"]) for name, part in tree.items()}


def _complex_bowl(z: PyTree) -> jax.Array:
    return jnp.sum(jnp.abs(z["w"] - 1j) ** 2) + jnp.abs(z["s"]) ** 2 + jnp.sum(z["w"].real * z["w"].imag)


def _bowl_of_parts(parts: PyTree) -> jax.Array:
    return _complex_bowl(_joined(parts))


def _movement(case: Case, params: PyTree, loss: Callable[[PyTree], jax.Array]) -> PyTree:
    """How far six steps go. A method whose steps grow from nothing has hardly left the start by then."""
    now, state = params, case.make().init(params)
    for _ in range(6):
        grads = jax.tree.map(jnp.conj, _problem.gradient(now, loss=loss))
        updates, state = case.compiled_update(None, grads, state, now, loss)
        now = _problem.moved(now, updates)
    return jax.tree.map(jnp.subtract, now, params)


@law("Let no rule depend on a leaf's place in the tree, nor on its name unless the user chose leaves by name.")
def arranging_leaves_changes_nothing(case: Case) -> None:
    """The same arrays in another container and another order train the same."""
    _free(case)
    with jax.enable_x64(True):
        params, numbers = case.problem(jnp.float64), case.numbers_in_force()
        moved, _ = case.walk(numbers, tuple(params[name] for name in ELSEWHERE), loss=_loss_elsewhere)
        close(case.walk(numbers, params)[0], _back(moved), **WIDE)


ELSEWHERE = ("w", "s", "b")
"""The leaves in another order."""


def _back(tree: PyTree) -> PyTree:
    return dict(zip(ELSEWHERE, tree, strict=True))


def _loss_elsewhere(tree: PyTree) -> jax.Array:
    return _problem.loss(_back(tree))


@law("None if the method measures whole leaves (norms, means, shapes): state it as an exemption.")
def splitting_a_leaf_changes_nothing(case: Case) -> None:
    """It works element by element: one weight matrix trains as its rows would, each a leaf of its own."""
    _free(case)
    with jax.enable_x64(True):
        params, numbers = case.problem(jnp.float64), case.numbers_in_force()
        rows = {**params, "w": {str(k): row for k, row in enumerate(params["w"])}}
        apart, _ = case.walk(numbers, rows, loss=_loss_of_rows)
        close(case.walk(numbers, params)[0], _with_rows_joined(apart), **WIDE)


def _with_rows_joined(tree: PyTree) -> PyTree:
    return {**tree, "w": jnp.stack([row for _, row in sorted(tree["w"].items())])}


def _loss_of_rows(tree: PyTree) -> jax.Array:
    return _problem.loss(_with_rows_joined(tree))


@law("Map over leaves with rules that vmap can map, and draw random numbers from a key argument, which each layer makes its own.")
def stacked_layers_equal_a_loop(case: Case) -> None:
    """Layers that are stacked in one leaf, as scanned models have them, train as they would one by one: `layerwise` says how."""
    _free(case)
    tx = case.value()
    if case.needs:
        raise NotApplicableError("it reads the loss, which is one for all layers")
    with jax.enable_x64(True):
        layers = [case.problem(jnp.float64, seed) for seed in range(2)]
        if "random_" in program(lambda params: tx.update(params, tx.init(params), params), layers[0]):
            raise NotApplicableError("each layer draws random numbers of its own")
        batched = stacked(layers)
        whole = layerwise(roles(("*", role("layers", stack=0))), tx)
        state = whole.init(batched)

        @jax.jit
        def step(params: PyTree, state: PyTree) -> tuple[PyTree, PyTree]:
            updates, state = whole.update(jax.vmap(jax.grad(_problem.loss))(params), state, params)
            return apply_updates(params, updates), state

        for _ in range(2):
            batched, state = step(batched, state)
        for k, params in enumerate(layers):
            close(case.walk(case.numbers_in_force(), params, 2)[0], member(batched, k), **WIDE)
