"""Deterministic budgets: temporary memory, copies, equations and compilations of a step."""

import functools
import pathlib
import re

import jax
import jax.numpy as jnp
import optax
import pytest

import gradtx as gx
from tests.by_hand import BY_HAND, trained
from tests.cases import CASES

LEAVES = 2
SHAPE = (256, 256)
LEAF_BYTES = 4 * SHAPE[0] * SHAPE[1]
OPTIMIZED = {"xla_backend_optimization_level": 3, "xla_cpu_use_fusion_emitters": True}
"""Budgets are of the program that users run, whatever compiler the other tests use."""

OPTIMIZERS = {path.stem for path in (pathlib.Path(gx.__file__).parent / "_optimizers").glob("[a-z]*.py")}

PARAMS = {f"w{k}": jax.ShapeDtypeStruct(SHAPE, jnp.float32) for k in range(LEAVES)}


def gradtx_step(tx, grads, state, params):
    updates, state = tx.update(grads, state, params, value=1.0)
    return gx.apply_updates(params, updates), state


def optax_step(tx, grads, state, params):
    updates, state = tx.update(grads, state, params)
    return optax.apply_updates(params, updates), state


def compiled(step, *optimizers):
    """A step of each, on trees of its own, compiled for shapes alone; they donate parameters and state in the order of what they return."""
    states = [jax.eval_shape(tx.init, PARAMS) for tx in optimizers]
    return donating(lambda *given: [step(*each) for each in zip(optimizers, *given, strict=True)], [PARAMS] * len(optimizers), states)


def donating(steps, params, states):
    def moved(params, states, grads):
        pairs = steps(grads, states, params)
        return [p for p, _ in pairs], [state for _, state in pairs]

    return jax.jit(moved, donate_argnums=(0, 1)).lower(params, states, params).compile(OPTIMIZED)


def excess(program):
    """Leaves of temporary memory in a program, and copies of a leaf."""
    shape = ",".join(map(str, SHAPE))
    return program.memory_analysis().temp_size_in_bytes / LEAF_BYTES, len(re.findall(rf"= f32\[{shape}\]\S* copy\(", program.as_text()))


READS_WHAT_IT_OVERWRITES = {*BY_HAND, "schedule_free_radam"}
"""XLA copies a statistic of the step before, the last gradient among them, or keeps what is dear to compute and used twice.

It overwrites a statistic in its place only behind what depends on it: `jax.lax.optimization_barrier` is taken out before it decides, and a
number that is read from one result for the other, which does order them (no copy), travels between devices where leaves are sharded.
"""

SEES_WHOLE_LEAVES = {
    *("adafactor", "adam_mini", "apollo", "came", "sm3", "lamb", "sinkgd"),
    *("dog", "dowg", "prodigy", "dadapt_adamw", "momo", "momo_adam"),
    *("galore", "muon", "normuon", "adamuon", "scion", "dion", "soap", "shampoo", "kl_shampoo", "psgd_kron", "muonh", "adamh"),
    *("newton", "newton_cg", "sophia", "random_search", "noisy_sgd", "dpsgd"),
}
"""What they multiply by is known when all of a leaf, a matrix or the tree was read, or is drawn."""

IN_A_LINE = {
    **{case.name: case.make() for case in CASES if case.name in OPTIMIZERS - READS_WHAT_IT_OVERWRITES - SEES_WHOLE_LEAVES},
    "momentum": gx.sgd(0.1, gx.trace(0.9)),
    "nesterov": gx.sgd(0.1, gx.nesterov(gx.trace(0.9))),
    "lion with decay": gx.lion(0.1, weight_decay=0.1),
    "adamw with clipping": gx.chain(gx.clip_by_global_norm(1.0), gx.adamw(0.1)),
    "adamw with a schedule": gx.adamw(gx.warmup_cosine_decay_schedule(0.0, 1e-3, 10, 100)),
}


def test_a_step_needs_no_temporary_leaf_and_no_copy():
    def within(*optimizers):
        leaves, copies = excess(compiled(gradtx_step, *optimizers))
        return leaves < 1 / 16 and not copies

    assert len(IN_A_LINE) > 30
    assert within(*IN_A_LINE.values()) or [name for name, tx in IN_A_LINE.items() if not within(tx)] == []


@pytest.mark.parametrize("name", BY_HAND)
def test_what_needs_temporary_leaves_needs_those_of_the_rule_by_hand(name):
    own = BY_HAND[name]
    x = jax.random.normal(jax.random.key(0), (4, 3))
    gradients = 0.1 * jax.random.normal(jax.random.key(1), (5, 4, 3)) + 0.05
    expected = trained(own.step, x, own.init(x), gradients)
    step = jax.jit(functools.partial(gradtx_step, own.tx))
    assert jnp.allclose(trained(lambda x, state, g: step(g, state, x), x, own.tx.init(x), gradients), expected, rtol=1e-4, atol=1e-5)
    leaves = [jax.ShapeDtypeStruct(SHAPE, jnp.float32)] * LEAVES
    states = [jax.eval_shape(own.init, leaf) for leaf in leaves]
    by_hand = excess(donating(lambda *given: [own.step(x, state, g) for g, state, x in zip(*given, strict=True)], leaves, states))
    seen = excess(compiled(gradtx_step, own.tx))
    assert 1 <= seen[0] <= by_hand[0] + 1 / 64  # scalars
    assert seen[1] <= by_hand[1]


@pytest.mark.parametrize("name", sorted(READS_WHAT_IT_OVERWRITES - BY_HAND.keys()))
def test_what_has_no_rule_by_hand_needs_its_exception(name):
    (case,) = (case for case in CASES if case.name == name)
    assert excess(compiled(gradtx_step, case.make()))[0] >= 1


def test_the_page_names_what_needs_temporary_leaves():
    section = (pathlib.Path(gx.__file__).parents[1] / "docs/storage.md").read_text().split("## Bytes beside the state")[1].split("## ")[0]
    assert set(re.findall(r"`(\w+)`", section)) - {"donate_argnums"} == READS_WHAT_IT_OVERWRITES


def test_the_temporary_budget_can_fail():
    program = compiled(optax_step, optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(0.1)))
    assert program.memory_analysis().temp_size_in_bytes >= LEAF_BYTES


def equations(jaxpr):
    """All equations of a program, those of inner programs counted at every call; the calls themselves cost nothing."""
    total = 0
    for equation in jaxpr.eqns:
        inner = [value for value in equation.params.values() if hasattr(value, "jaxpr") or hasattr(value, "eqns")]
        total += sum(equations(getattr(value, "jaxpr", value)) for value in inner) if inner else 1
    return total


def equations_per_leaf(update, init):
    def count(leaves):
        params = {f"w{k}": jax.ShapeDtypeStruct(SHAPE, jnp.float32) for k in range(leaves)}
        state = jax.eval_shape(init, params)
        return equations(jax.make_jaxpr(update)(params, state, params).jaxpr)

    return (count(8) - count(4)) / 4


PAIRS = {
    "sgd": (gx.sgd(0.1), optax.sgd(0.1)),
    "momentum": (gx.sgd(0.1, gx.trace(0.9)), optax.sgd(0.1, 0.9)),
    "adam": (gx.adam(0.1), optax.adam(0.1)),
    "adamw": (gx.adamw(0.1), optax.adamw(0.1)),
    "adamw with clipping": (
        gx.chain(gx.clip_by_global_norm(1.0), gx.adamw(0.1)),
        optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(0.1)),
    ),
    "rmsprop": (gx.rmsprop(0.1), optax.rmsprop(0.1)),
    "adagrad": (gx.adagrad(0.1), optax.adagrad(0.1)),
    "lion": (gx.lion(0.1), optax.lion(0.1)),
    "adamax": (gx.adamax(0.1), optax.adamax(0.1)),
    "amsgrad": (gx.amsgrad(0.1), optax.amsgrad(0.1)),
    "adabelief": (gx.adabelief(0.1), optax.adabelief(0.1)),
    "nadam": (gx.nadam(0.1), optax.nadam(0.1)),
    "yogi": (gx.yogi(0.1), optax.yogi(0.1)),
    "radam": (gx.radam(0.1), optax.radam(0.1)),
}


MORE = {"rmsprop": 2, "adabelief": 1}
"""Squares and what is divided by their root are cut off before they overflow, which Optax's are not: for a state that stays finite."""


@pytest.mark.parametrize("name", PAIRS)
def test_equations_per_leaf_are_at_most_those_of_optax(name):
    ours, theirs = PAIRS[name]
    assert equations_per_leaf(ours.update, ours.init) <= equations_per_leaf(theirs.update, theirs.init) + MORE.get(name, 0)


def test_equal_shapes_share_one_trace():
    params = {f"w{k}": jax.ShapeDtypeStruct(SHAPE, jnp.float32) for k in range(50)}
    tx = gx.adamw(0.1)
    program = jax.make_jaxpr(tx.update)(params, jax.eval_shape(tx.init, params), params).jaxpr
    inner = [equation.params["jaxpr"] for equation in program.eqns if "jaxpr" in equation.params]
    assert len(inner) <= 9 * 50
    assert len({id(jaxpr.jaxpr) for jaxpr in inner}) <= 20


def test_an_eager_update_compiles_once_for_all_hyperparameters():
    from gradtx._core import contract

    params = {"w": jnp.ones((5, 7))}
    state = gx.adam(0.1).init(params)
    gx.adam(0.1).update(params, state, params)
    before = contract._compiled_step._cache_size()
    for learning_rate in (0.2, 0.3, 0.4):
        _, state = gx.adam(learning_rate).update(params, state, params)
    assert contract._compiled_step._cache_size() == before
