"""Bad input is refused with a message that names the part, the argument, the leaf, what was given and what to write instead."""

import re

import jax
import jax.numpy as jnp
import optax
import pytest

import gradtx as gx
from tests.cases import CASES, make_params

PARAMS = make_params()
GRADS = make_params(seed=1)
TX = gx.adam(1e-3)
STATE = TX.init(PARAMS)


@gx.transformation
def grows_state():
    return (lambda params: {"seen": jnp.zeros(1)}), (lambda updates, state: (updates, {"seen": jnp.zeros(2)}))


@gx.transformation
def renames_state():
    return (lambda params: {"seen": jnp.zeros(1)}), (lambda updates, state: (updates, {"sight": jnp.zeros(1)}))


@gx.transformation
def widens_updates():
    return gx.stateless(lambda updates: jax.tree.map(lambda u: u[None], updates))


@gx.transformation
def drops_updates():
    return gx.stateless(lambda updates: {"w": updates["w"]})


@gx.transformation
def returns_nothing():
    return None


@gx.transformation
def unannotated(rate, mode="fast"):
    return gx.stateless(lambda updates: updates)


@gx.transformation
def reads_average():
    return gx.stateless(lambda updates, *, average: updates)


def scaled_by_temperature(updates, state, params=None, *, temperature):
    return jax.tree.map(lambda u: u * temperature, updates), state


@gx.transformation
def with_temperature():
    return (lambda params: None), scaled_by_temperature


def updated(tx, grads=GRADS, params=PARAMS, **extras):
    return tx.update(grads, tx.init(PARAMS), params, **extras)


ERRORS = {
    "no params": (
        lambda: gx.adamw(1e-3).update(GRADS, gx.adamw(1e-3).init(PARAMS)),
        "adamw/add_decayed_weights needs the parameters: call update(gradients, state, params).",
    ),
    "missing extra": (
        lambda: updated(gx.random_search(0.1, 0)),
        "random_search/keep_best_draw needs the extra 'value_fn': call update(gradients, state, params, value_fn=...)",
    ),
    "misspelt extra": (lambda: updated(TX, valeu=3.0), "adam: no transformation takes an extra called 'valeu' (did you mean 'value'?)"),
    "kept extra": (lambda: updated(TX, step=3), "adam: 'step' is kept by the optimizer itself; leave it out."),
    "no average": (lambda: updated(reads_average()), "reads_average needs the running average of the gradient: put scale_by_momentum"),
    "missing leaf": (
        lambda: updated(TX, {"w": GRADS["w"], "b": GRADS["b"]}),
        "adam: the updates are not a tree like the parameters: missing: s. Give one update for each leaf of the parameters",
    ),
    "extra leaf": (
        lambda: updated(TX, {**GRADS, "x": jnp.ones(1)}),
        "adam: the updates are not a tree like the parameters: unexpected: x.",
    ),
    "other container": (
        lambda: gx.sgd(0.1).update([jnp.ones(1)], gx.sgd(0.1).init((jnp.ones(1),)), (jnp.ones(1),)),
        "sgd: the updates are not a tree like the parameters: at the top there is a list where a tuple is expected.",
    ),
    "None gradient": (
        lambda: updated(TX, {**GRADS, "w": None}),
        "adam: the updates have None at w, where the parameters have an array of shape (4, 3)",
    ),
    "broadcasting": (
        lambda: updated(TX, {**GRADS, "w": jnp.ones((4, 1))}),
        "adam: the updates have shape (4, 1) at w, where the parameters have shape (4, 3). They would broadcast in silence",
    ),
    "broadcasting without params": (
        lambda: TX.update({**GRADS, "w": jnp.ones((4, 1))}, STATE),
        "adam: the state has shape (4, 3) at adam/scale_by_momentum/bias_correction/ema/average/w, where these trees need (4, 1).",
    ),
    "broadcasting in apply_updates": (
        lambda: gx.apply_updates(PARAMS, {**GRADS, "w": jnp.ones((4, 1))}),
        "apply_updates: the updates have shape (4, 1) at w, where the parameters have shape (4, 3).",
    ),
    "integer gradient": (
        lambda: updated(TX, {**GRADS, "w": jnp.ones((4, 3), int)}),
        "adam: the updates have an array of shape (4, 3) and dtype int32 at w, where the parameters have an array of",
    ),
    "complex gradient": (
        lambda: updated(TX, {**GRADS, "w": jnp.ones((4, 3), complex)}),
        "adam: the updates have complex numbers at w, where the parameters are real, an array of shape (4, 3)",
    ),
    "negative learning rate": (lambda: gx.sgd(-0.1), "sgd: learning_rate must be finite and at least 0, got -0.1 (float)."),
    "infinite learning rate": (lambda: gx.adam(float("inf")), "adam: learning_rate must be finite and at least 0, got inf (float)."),
    "NaN learning rate": (lambda: gx.adam(float("nan")), "adam: learning_rate must be finite and at least 0, got nan (float)."),
    "negative learning rate in an array": (
        lambda: gx.adam(jnp.array([0.1, -0.1])),
        "adam: learning_rate must be finite and at least 0, got an array of shape (2,) and dtype float32.",
    ),
    "decay above 1": (lambda: gx.adam(0.1, b1=1.5), "adam: b1 must be in [0, 1), got 1.5 (float)."),
    "decay 1": (lambda: gx.ema(1), "ema: decay must be in [0, 1), got 1 (int)."),
    "decay that rounds to 1": (
        lambda: gx.ema(0.99999999),
        "ema: decay must be in [0, 1), got 0.99999999 (float), which is 1 in float32. Give a smaller number",
    ),
    "negative decay": (lambda: gx.trace(-0.1), "trace: decay must be in [0, 1), got -0.1 (float)."),
    "zero epsilon": (lambda: gx.adam(0.1, eps=0.0), "adam: eps must be finite and above 0, got 0.0 (float)."),
    "string for a number": (
        lambda: gx.adam("0.1"),
        "adam: learning_rate must be a number, an array or a schedule, got '0.1' (str). Write the number",
    ),
    "bool for a number": (lambda: gx.adam(True), "adam: learning_rate must be a number, an array or a schedule, got True (bool)."),
    "schedule factory for a number": (
        lambda: gx.adam(gx.linear_schedule),
        "linear_schedule is a factory: call it with its arguments, linear_schedule(...).",
    ),
    "function for a number": (lambda: gx.adam(lambda step: 0.1), "A schedule is a value made by a factory such as linear_schedule(...)"),
    "forgotten parentheses": (
        lambda: gx.chain(gx.clip, gx.sgd(0.1)),
        "chain: part 1 is the factory clip, not a transformation. Call it: clip(max_delta).",
    ),
    "class in a chain": (
        lambda: gx.chain(gx.clip(1.0), dict),
        "chain: part 2 must be a transformation (something with init and update), got",
    ),
    "list of parts": (
        lambda: gx.chain([gx.clip(1.0), gx.sgd(0.1)]),
        "The parts are arguments: write chain(a, b), or chain(*parts).",
    ),
    "freeze with its arguments swapped": (
        lambda: gx.freeze(gx.adam(0.1), "w"),
        "freeze: where must be a pattern over paths, a function of path and leaf, roles, or None for all leaves, got adam(",
    ),
    "two parts of one name": (
        lambda: gx.chain(gx.trace(0.9), gx.trace(0.8), gx.named("trace_2", gx.trace(0.7))),
        "chain: 2 parts would be called 'trace_2' in the state. Give named(...) a name that no other part has.",
    ),
    "name of a slot": (
        lambda: gx.bias_correction(gx.named("of_one", gx.ema(0.9))).init(PARAMS),
        "bias_correction: a part inside it cannot be called 'of_one'; it keeps a slot under that name. Choose another.",
    ),
    "vector for a loss": (
        lambda: updated(gx.newton_cg(), value_fn=lambda params: params["b"]),
        "value_fn must return a scalar, the loss, and it returned",
    ),
    "description of another library's": (
        lambda: gx.describe(optax.adam(0.1), PARAMS),
        "describe(tx, params): tx must be a transformation of gradtx, got",
    ),
    "number for a moment": (
        lambda: gx.sgd(0.1, momentum=0.9),
        "sgd: momentum must be a transformation (something with init and update), got 0.9 (float). Write trace(0.9) for v = 0.9 v + g",
    ),
    "unknown argument": (
        lambda: gx.adam(0.1, beta1=0.9),
        "adam has no argument 'beta1' (did you mean 'b1'?). Write adam(learning_rate, b1=0.9,",
    ),
    "missing argument": (
        lambda: gx.adam(),
        "adam: missing a required argument: 'learning_rate'. Write adam(learning_rate, b1=0.9, b2=0.999, eps=1e-08, storage=None).",
    ),
    "unknown attribute": (
        lambda: TX.rate,
        "adam has no argument 'rate' (did you mean 'storage'?). It has: learning_rate, b1, b2, eps, storage.",
    ),
    "assignment": (lambda: setattr(TX, "b1", 0.5), "adam(...) is a value and cannot be changed; write tx = tx.replace(b1=0.5)."),
    "unknown choice": (
        lambda: gx.scale_by_rms(gx.ema(0.9), 1e-8, of="grads"),
        "scale_by_rms: of must be one of 'gradient', 'updates', 'deviation', got 'grads'.",
    ),
    "no epsilon": (lambda: updated(gx.scale_by_rms(gx.ema(0.9))), "scale_by_rms needs one of eps, eps_root and floor"),
    "traced structure": (
        lambda: jax.jit(lambda axis: gx.centralize(axis).output_axis)(0),
        "centralize: output_axis is part of the optimizer's structure and cannot be traced",
    ),
    "unannotated string": (lambda: unannotated(0.1, mode="slow"), "unannotated: mode is 'slow' (str), and an argument without annotation"),
    "batch without vmap": (
        lambda: updated(gx.adam(jnp.ones(3))),
        "adam: learning_rate is an array of shape (3,) and dtype float32, and inside an update it must be a scalar.",
    ),
    "state of another optimizer": (
        lambda: TX.update(GRADS, gx.sgd(0.1, gx.trace(0.9)).init(PARAMS), PARAMS),
        "adam: the state belongs to another optimizer or to other parameters: missing: adam/scale_by_momentum/bias_corr",
    ),
    "state of other parameters": (
        lambda: TX.update(GRADS, TX.init({**PARAMS, "w": jnp.ones((2, 3))}), PARAMS),
        "adam: the state has shape (2, 3) at adam/scale_by_momentum/bias_correction/ema/average/w, where these trees need (4, 3).",
    ),
    "state of Optax": (
        lambda: TX.update(GRADS, optax.adam(0.1).init(PARAMS), PARAMS),
        "adam: the state must be what init(params) returned (a dict with 'step'), got tuple.",
    ),
    "state and parameters swapped": (
        lambda: TX.update(GRADS, PARAMS, STATE),
        "got a dict of w, b, s. The order is update(gradients, state, params).",
    ),
    "growing state": (
        lambda: updated(grows_state()),
        "grows_state: the update changed the state at grows_state/seen from shape (1,) to (2,).",
    ),
    "renamed state": (
        lambda: updated(renames_state()),
        "renames_state: the update changed the structure of the state: missing: renames_state/seen; unexpected",
    ),
    "update of another shape": (
        lambda: updated(gx.chain(gx.clip(1.0), widens_updates())),
        "widens_updates returned an update of shape (1, 3) at b, where the update it was given has shape (3,).",
    ),
    "update of another structure": (
        lambda: updated(drops_updates()),
        "drops_updates returned updates of another structure: missing: b, s.",
    ),
    "factory without result": (
        lambda: updated(returns_nothing()),
        "returns_nothing: the factory must return (init, update) or a transformation, but it returned NoneType.",
    ),
    "pattern that matches nothing": (
        lambda: updated(gx.adamw(0.1, where="*/kernel")),
        "where='*/kernel' matches no leaf; the paths are b, s, w.",
    ),
    "leaf asked for what it has not": (
        lambda: updated(gx.adamw(0.1, where=lambda path, leaf: leaf.itemsize > 2)),
        "where asked the leaf b for 'itemsize'. It may ask for shape, dtype, ndim and size",
    ),
    "factors of another shape": (
        lambda: updated(gx.scale_by_tree({"w": jnp.ones(3), "b": 1.0, "s": 1.0})),
        "scale_by_tree: factors have an array of shape (3,) and dtype float32 at w, where the updates have shape (4, 3).",
    ),
    "factors of another structure": (
        lambda: updated(gx.scale_by_tree({"w": 1.0})),
        "scale_by_tree: factors are no prefix of the tree of the updates",
    ),
    "unknown factory in a spec": (
        lambda: gx.from_spec({"factory": "adamm", "arguments": {}}),
        "No factory is called 'adamm' (did you mean 'adam'?).",
    ),
    "unknown argument in a spec": (
        lambda: gx.from_spec({"factory": "ema", "arguments": {"decy": 0.9}}),
        "ema has no argument 'decy' (did you mean 'decay'?).",
    ),
    "no spec": (lambda: gx.from_spec("os.system"), "A spec is a dict with 'factory' and 'arguments', got 'os.system' (str)."),
    "function in a spec": (lambda: gx.to_spec(gx.stateless(abs)), "stateless: apply is <built-in function abs>"),
    "boundaries": (lambda: gx.join_schedules((0.1, 0.2), (1, 2))(0), "join_schedules: 2 schedules need 1 boundaries between them, got 2."),
    "part called step": (lambda: gx.named("step", TX).init(PARAMS), "A part cannot be called 'step'"),
    "bad key": (lambda: gx.add_noise(0.1, 0.5, 1.5), "add_noise: key must be a random key or an integer seed, got 1.5 (float)."),
}


@pytest.mark.parametrize("name", ERRORS)
def test_the_message_says_what_is_wrong_and_what_to_write(name):
    call, message = ERRORS[name]
    with pytest.raises((TypeError, ValueError, AttributeError), match=re.escape(message)):
        call()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_factory_refuses_a_gradient_that_would_broadcast(case):
    tx = case.make()
    params = PARAMS if case.params is None else case.params
    with pytest.raises(ValueError, match=r"have shape \(4, 1\) at w"):
        tx.update({**params, "w": jnp.ones((4, 1))}, tx.init(params), params)


def test_a_failed_update_loses_nothing():
    state = TX.init(PARAMS)
    with pytest.raises(ValueError, match="missing"):
        TX.update({}, state, PARAMS)
    updates, _ = TX.update(GRADS, state, PARAMS)
    assert jax.tree.structure(updates) == jax.tree.structure(PARAMS)


def test_checks_cost_no_equation():
    checked = jax.make_jaxpr(lambda g, s: gx.sgd(0.1).update(g, s))(GRADS, gx.sgd(0.1).init(PARAMS))
    names = [equation.primitive.name for equation in checked.jaxpr.eqns]
    assert names.count("jit") == len(jax.tree.leaves(GRADS))
    assert set(names) <= {"jit", "min", "add"}


def test_an_extra_of_an_update_defined_elsewhere_is_known():
    tx = with_temperature()
    updates, _ = tx.update(GRADS, tx.init(PARAMS), PARAMS, temperature=2.0)
    assert bool(jnp.all(updates["w"] == 2 * GRADS["w"]))
    TX.update(GRADS, STATE, PARAMS, temperature=2.0)
    with pytest.raises(
        TypeError, match=r"with_temperature: no transformation takes an extra called 'temprature' \(did you mean 'temperature'"
    ):
        tx.update(GRADS, tx.init(PARAMS), PARAMS, temprature=2.0)


def test_factories_may_have_the_names_of_the_library():
    @gx.transformation
    def named(rate: gx.Number):
        return gx.stateless(lambda updates: jax.tree.map(lambda u: rate * u, updates))

    @gx.transformation
    def foreign(rate: gx.Number):
        return gx.trace(rate)

    tx = gx.chain(named(2.0), foreign(0.5))
    assert set(tx.init(PARAMS)) == {"step", "foreign"}
    with pytest.raises(TypeError, match="no transformation takes an extra called 'bogus'"):
        updated(foreign(0.5), bogus=1.0)


def test_describe_takes_whatever_an_optimizer_does():
    @gx.transformation
    def computes_with_its_decay(b2: gx.Decay):
        return gx.chain(gx.ema(b2), gx.scale(1 - b2))

    module = {"w": jnp.ones((2, 3)), "activation": jax.nn.relu, "name": "layer", "n": 3}
    assert "6 parameters, 28 B of state" in gx.describe(gx.sgd(0.1, gx.trace(0.9)), module)
    text = gx.describe(computes_with_its_decay(gx.linear_schedule(0.5, 0.9, 10)), PARAMS)
    assert "  scale(step_size=0.5)" in text.splitlines()
