"""Values: an optimizer of gradtx can be printed, compared, changed, written down and read back, and its state has names."""

import json
import pickle
import re
from typing import Any

import jax
import jax.numpy as jnp

import gradtx
from gradtx._core.order import stands
from gradtx._core.trees import is_trainable, path_name
from gradtx.testing._case import Case
from gradtx.testing._compare import program, shown
from gradtx.testing._law import Violation, law


def every_name() -> dict[str, Any]:
    """What `from gradtx import *` gives, those names too that nobody has used yet."""
    return {name: getattr(gradtx, name) for name in gradtx.__all__}


def _equal(expected: Any, seen: Any, how: str) -> None:
    if seen != expected:
        raise Violation(repr(expected), f"{seen!r} after {how}")


@law("Annotate numbers, transformations and trees as what they are; everything else is structure and must be hashable.")
def values_compare_and_flatten(case: Case) -> None:
    """It is a value: equal to another of the same call, with the same hash, and a pytree that can be taken apart and put together."""
    tx = case.value()
    leaves, structure = jax.tree.flatten(tx)
    _equal(tx, structure.unflatten(leaves), "flatten and unflatten")
    _equal(tx, tx.replace(), "replace()")
    if hash(jax.tree.map(lambda leaf: leaf, tx)) != hash(tx):
        raise Violation("equal values to have equal hashes", "two hashes")


@law("Define the factory at the top level of a module, and give it numbers, strings and other values for arguments, no functions.")
def specs_round_trip(case: Case) -> None:
    """It can be written down as JSON and read back."""
    tx = case.value()
    _equal(tx, gradtx.from_spec(json.loads(json.dumps(gradtx.to_spec(tx)))), "to_spec, JSON and from_spec")


@law("Define the factory, and functions among its arguments, at the top level of a module.")
def pickles_round_trip(case: Case) -> None:
    """It can be sent to another process."""
    tx = case.value()
    _equal(tx, pickle.loads(pickle.dumps(tx)), "pickle")


@law("Give it arguments whose repr is code.")
def repr_is_the_call(case: Case) -> None:
    """What it prints is the call that makes it."""
    tx = case.value()
    _equal(tx, eval(repr(tx), {**every_name(), "jax": jax}), "eval(repr(tx))")


@law("Make the state dicts by slot name, each slot a tree like the parameters.")
def state_is_named(case: Case) -> None:
    """Every array of the state has a path of names, which a change elsewhere in the chain does not move."""
    case.value()
    params = case.problem()
    names = {path_name(path).split("/")[-1] for path, _ in jax.tree_util.tree_leaves_with_path(params)}
    for path, leaf in jax.tree_util.tree_leaves_with_path(case.make().init(params)):
        keys = [getattr(key, "key", getattr(key, "name", None)) for key in path]
        if not all(isinstance(key, str) for key in keys):
            raise Violation("a path of names", path_name(path), path_name(path))
        if leaf.shape and keys[-1] not in names:
            raise Violation(f"a path that ends in one of {', '.join(sorted(names))}", path_name(path), path_name(path))


@law("Keep everything that takes memory in the state that init returns.")
def describe_counts_the_bytes(case: Case) -> None:
    """The memory that describe announces, from shapes alone, is the memory that the state takes."""
    tx = case.value()
    params = case.problem()
    text = gradtx.describe(tx, jax.eval_shape(lambda: params))
    if text != gradtx.describe(tx, params):
        raise Violation("the same description of arrays and of their shapes", "two descriptions")
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(tx.init(params)))
    count = sum(leaf.size for leaf in jax.tree.leaves(params) if is_trainable(leaf))
    announced = re.search(r"parameters, (.*) of state", text)
    if f"{count} parameters, {size} B of state" not in text:
        raise Violation(f"{size} B", announced[1] if announced else "no total")


@law("Annotate every number of the factory as one.")
def hyperparameters_are_the_numbers_in_force(case: Case) -> None:
    """Every number in force can be read from the optimizer and its state."""
    tx = case.value()
    found, expected = jax.tree.leaves(gradtx.hyperparameters(tx, tx.init(case.problem()))), jax.tree.leaves(tx)
    if sorted(map(shown, map(jnp.asarray, found))) != sorted(map(shown, map(jnp.asarray, expected))):
        raise Violation(str(expected), str(found))


@law("Hand on updates, state and extras unchanged in a chain, and open no scope there.")
def chain_is_associative_and_identity_its_unit(case: Case) -> None:
    """Parts may be grouped in any way: a chain in a chain is the same chain, its state included."""
    tx, chain, identity = case.value(), gradtx.chain, gradtx.identity
    first = identity() if stands(tx, "first") else gradtx.clip(0.5)
    last = identity() if stands(tx, "last") else gradtx.scale(0.5)
    flat = chain(first, tx, last)
    if not chain(first, chain(tx, last)) == chain(chain(first, tx), last) == flat:
        raise Violation("equal values however they are grouped", str(chain(first, chain(tx, last))))
    params = case.problem()

    def first_step(tx: Any) -> str:
        return program(lambda params: tx.update(params, tx.init(params), params, **case.extras(params, params)), params)

    expected = first_step(flat)
    for same in (chain(identity(), flat), chain(flat, identity()), chain(first, identity(), tx, last)):
        if first_step(same) != expected:
            raise Violation("the same program with and without identity()", "another one")
