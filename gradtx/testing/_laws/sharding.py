"""Sharding: the same numbers on many devices, the state laid out like the parameters, no traffic that the method does not need."""

import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradtx._core.trees import path_name
from gradtx._core.types import PyTree
from gradtx.testing import _problem
from gradtx.testing._case import Case
from gradtx.testing._compare import close, compilations, shown
from gradtx.testing._law import NotApplicableError, Violation, law

DEVICES = 8
ROUNDING = {"rtol": 1e-4, "atol": 1e-5}
"""Sums over devices are taken in another order."""


def _placed() -> tuple[PyTree, PyTree]:
    """Parameters, and the same sharded over eight devices.

    They have few bits, so that sums of their products are exact in any order: where a first statistic lacks rank, the last bit of a
    sum chooses among its eigenvectors.
    """
    if len(jax.devices()) < DEVICES:
        raise NotApplicableError(f"it needs {DEVICES} devices; set jax_num_cpu_devices={DEVICES} before JAX starts")
    mesh = jax.sharding.Mesh(np.asarray(jax.devices()[:DEVICES]), ("x",))
    spec = {"w": jax.P("x"), "b": jax.P("x"), "s": jax.P()}
    shapes = {"w": (16, 8), "b": (8,), "s": ()}
    keys = dict(zip(spec, jax.random.split(jax.random.key(0), len(spec)), strict=True))
    where = {name: jax.NamedSharding(mesh, spec[name]) for name in spec}
    params = {name: jnp.round(4 * jax.random.normal(keys[name], shape)) / 4 for name, shape in shapes.items()}
    return params, {name: jax.device_put(params[name], where[name]) for name in spec}


def _runs(case: Case) -> tuple[PyTree, PyTree]:
    if case.params is not None:
        raise NotApplicableError("it runs on trees of its own kind")
    return _placed()


def _laid_out_like(params: PyTree, state: PyTree, when: str) -> None:
    """A slot that has the shape of a parameter lies where the parameter lies."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(state):
        param = params.get(path_name(path).split("/")[-1])
        if param is not None and param.shape == leaf.shape and not leaf.sharding.is_equivalent_to(param.sharding, leaf.ndim):
            raise Violation(str(param.sharding), str(leaf.sharding), f"{path_name(path)} {when}")


@law("Make slots with jnp.zeros_like(p), which keeps the sharding of p, and reduce over whole leaves with jnp.sum.")
def sharded_equals_unsharded(case: Case) -> None:
    """Parameters that are spread over eight devices train the same; their state is spread like them, and step two recompiles nothing."""
    params, placed = _runs(case)
    state = case.make().init(placed)
    _laid_out_like(placed, state, "after init")
    _laid_out_like(placed, jax.jit(case.make().init)(placed), "after a compiled init")
    compiled = case.jitted_again()
    moved = placed, state
    for _ in range(3):
        moved = case.compiled_step(None, *moved, loss=_problem.bowl, jitted=compiled)
    _laid_out_like(placed, moved[1], "after three steps")
    if compilations(compiled) != 1:
        raise Violation("1 compilation of three steps", str(compilations(compiled)))
    close(case.walk(None, params, loss=_problem.bowl), jax.tree.map(jax.device_get, moved), **ROUNDING)


@law("Work on each shard where it lies; where a method measures whole leaves, hand only scalars from device to device.")
def no_leaf_is_gathered(case: Case) -> None:
    """No device receives a whole leaf: the compiled update has no all-gather, and its all-reduces carry scalars."""
    _, placed = _runs(case)
    lowered = case.jitted_again().lower(None, placed, case.make().init(placed), placed, loss=_problem.bowl)
    smallest = min(leaf.size for leaf in jax.tree.leaves(placed) if leaf.size > 1)
    for line in (lowered.compile().as_text() or "").splitlines():
        found = re.search(r"= (.*?) (all-gather|all-to-all|collective-permute|all-reduce|reduce-scatter)(-start)?\(", line)
        if found and (found[2] != "all-reduce" or _largest(found[1]) >= smallest):
            raise Violation("no leaf to travel", f"{found[2]} of {found[1]}")


def _largest(shapes: str) -> int:
    sizes = [np.prod([int(n) for n in dims.split(",") if n], dtype=int) for dims in re.findall(r"\w+\[([\d,]*)\]", shapes)]
    return int(max(sizes, default=0))


@law("Multiply and sum leaves with jnp.sum(x * y); a dot of sharded leaves is ambiguous.")
def explicit_meshes_work(case: Case) -> None:
    """It runs where shardings are part of the types (jax.set_mesh with explicit axes)."""
    if case.params is not None or len(jax.devices()) < DEVICES:
        _runs(case)
    mesh = jax.make_mesh((DEVICES,), ("x",), axis_types=(jax.sharding.AxisType.Explicit,))
    with jax.set_mesh(mesh):
        params = {"w": jax.device_put(jnp.ones((16, 8)), jax.P("x")), "b": jax.device_put(jnp.ones(8), jax.P("x")), "s": jnp.ones(())}

        def two_steps(params: Any) -> Any:
            _, state = case.compiled_update(None, params, case.make().init(params), params, _problem.bowl)
            return case.compiled_update(None, params, state, params, _problem.bowl)[0]

        updates = jax.jit(two_steps)(params)
    for (path, want), have in zip(jax.tree_util.tree_leaves_with_path(params), jax.tree.leaves(updates), strict=True):
        if have.shape != want.shape:
            raise Violation(shown(want), shown(have), path_name(path))
