"""What an optimizer does first with a state that is carried over: nothing that it would not do with one of its own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import gradtx as gx
from gradtx import training

PARAMS = {"k": jnp.linspace(-1, 1, 256).reshape(16, 16), "b": jnp.linspace(0.2, 1, 3)}


def gradients(params, k, size):
    draw = np.random.default_rng(k)
    return jax.tree.map(lambda p: jnp.asarray(size * (0.1 + draw.normal(size=p.shape)), p.dtype), params)


def run(tx, state, start, steps, size, params=PARAMS):
    """The state, and the largest entry of each leaf of the updates on the way."""
    update, most = jax.jit(tx.update), jax.tree.map(lambda _: 0.0, params)
    for k in range(start, start + steps):
        updates, state = update(gradients(params, k, size), state, params)
        most = jax.tree.map(lambda before, u: max(before, float(jnp.max(jnp.abs(u)))), most, updates)
    return state, most


def moved(tmp_path, before, after, state, params=PARAMS, migrate=True):
    path = training.save(tmp_path / "one.npz", tx=before, params=params, state=state)
    return training.restore(path, params=params, tx=after, migrate=migrate)


LR = 1e-3


@gx.transformation
def scoped(learning_rate: gx.LearningRate):
    """Second moments of what comes in, whatever has been averaged before."""
    return gx.chain(RMS, gx.scale_by_learning_rate(learning_rate))


@gx.transformation(averages=True)
def heavy(decay: gx.Decay):
    """A momentum of one's own, kept by no moment: m ← decay m + g."""

    def update(updates, state):
        new = jax.tree.map(lambda m, u: decay * m + u, state["m"], updates)
        return new, {"m": new}

    return lambda params: {"m": jax.tree.map(jnp.zeros_like, params)}, update


@gx.transformation
def root_of_all(decay: gx.Decay):
    """Divide by one root of a mean square for all leaves."""

    def update(updates, state):
        mean = jnp.mean(jnp.concatenate([jnp.ravel(u) ** 2 for u in jax.tree.leaves(updates)]))
        v = decay * state["v"] + (1 - decay) * mean
        return jax.tree.map(lambda u: u / jnp.sqrt(v + 1e-12), updates), {"v": v}

    return lambda params: {"v": jnp.zeros(())}, update


@gx.transformation
def remembers():
    """Change nothing and keep the gradient."""
    return lambda params: {"last": jax.tree.map(jnp.zeros_like, params)}, lambda updates, state: (updates, {"last": updates})


@gx.transformation
def mine(learning_rate: gx.LearningRate):
    """An optimizer under a name of one's own."""
    return gx.adamw(learning_rate)


RMS = gx.scale_by_rms(gx.bias_correction(gx.ema(0.999)), 1e-8)
TRACE, RATE = gx.scale_by_momentum(gx.trace(0.99)), gx.scale_by_learning_rate(LR)
MEAN = gx.scale_by_momentum(gx.ema(0.9))
CORRECTED = gx.sgd(LR, gx.bias_correction(gx.ema(0.9)))
RATED = gx.scale_by_learning_rate(LR), gx.scale_by_momentum(gx.trace(0.9))
PAIRS = {
    "no basis, then one": (gx.adam(LR), gx.soap(LR, "k", b1=0.9), 1.0),
    "a basis, then none": (gx.soap(LR, "k"), gx.adam(LR), 1.0),
    "a basis, then a maximum": (gx.soap(LR, "k"), gx.amsgrad(LR), 1.0),
    "another basis": (gx.soap(LR, "k"), gx.soap(LR, "k", max_size=8), 1.0),
    "a basis, then a Kronecker product": (gx.soap(LR, "k"), gx.shampoo(LR, "k"), 1.0),
    "a maximum": (gx.adam(LR), gx.amsgrad(LR), 1.0),
    "the distance from the average": (gx.adam(LR), gx.adabelief(LR), 1.0),
    "no second moment, then Adam's": (CORRECTED, gx.adam(LR), 1.0),
    "no second moment, then LAMB's": (CORRECTED, gx.lamb(LR), 1.0),
    "no second moment, then one without correction": (gx.sgd(LR, gx.ema(0.9)), gx.uncorrected_adam(LR), 1.0),
    "no second moment, then Yogi's": (gx.sgd(LR, gx.ema(0.9)), gx.yogi(LR), 1.0),
    "momentum of what is divided, small": (gx.laprop(LR), gx.adam(LR), 1e-3),
    "momentum of gradients, large": (gx.adam(LR), gx.laprop(LR), 1e3),
    "momentum of what was divided a step ago": (gx.adopt(LR), gx.uncorrected_adam(LR), 1e-3),
    "momentum of what SM3 divides": (gx.sm3(LR), gx.yogi(LR), 1e-3),
    "momentum of what RMSProp divides": (gx.rmsprop(LR, momentum=gx.trace(0.9)), gx.sgd(LR, gx.trace(0.9)), 1e-3),
    "momentum of what NovoGrad divides": (gx.novograd(LR), gx.sgd(LR, gx.trace(0.95)), 1e-3),
    "momentum of directions": (gx.chain(gx.normalize(1e-8), gx.sgd(LR, gx.trace(0.9))), gx.sgd(LR, gx.trace(0.9)), 1e-3),
    "momentum of steps": (gx.chain(*RATED[::-1]), gx.chain(*RATED), 1.0),
    "gradients made larger": (gx.adam(LR), gx.chain(gx.scale(1e3), gx.adam(LR)), 1.0),
    "gradients made smaller": (gx.adam(LR), gx.chain(gx.scale(1e-3), gx.adam(LR)), 1.0),
    "second moments of the gradient, then of the momentum": (gx.chain(TRACE, RMS, RATE), gx.chain(TRACE, scoped(LR)), 1.0),
    "Adam, then Adam of a momentum": (gx.adam(LR), gx.chain(TRACE, gx.adam(LR)), 1.0),
    "a momentum of one's own": (gx.chain(heavy(0.9), RATE), gx.chain(heavy(0.9), RMS, RATE), 1.0),
    "one divisor for all": (gx.chain(MEAN, RATE), gx.chain(MEAN, root_of_all(0.9), RATE), 1e3),
    "a group with a belief": (gx.partition(("k", gx.adabelief(LR)), (None, gx.adam(LR))), gx.adam(LR), 1.0),
    "a group without one": (gx.partition(("k", gx.adam(LR)), (None, gx.adabelief(LR))), gx.adabelief(LR), 1.0),
    "one group that divided by another": (gx.partition(("k", CORRECTED), (None, gx.adam(LR))), gx.adam(LR), 1.0),
}


@pytest.mark.parametrize("name", PAIRS)
def test_no_step_is_longer_than_those_of_a_new_state(tmp_path, name):
    before, after, size = PAIRS[name]
    found = moved(tmp_path, before, after, run(before, before.init(PARAMS), 0, 40, size)[0])
    _, most = run(after, found.state, 40, 4, size)
    _, usual = run(after, after.init(PARAMS), 40, 12, size)
    for leaf in PARAMS:
        assert most[leaf] < 4 * usual[leaf], f"{leaf}\n{found.migration}"
    assert int(found.state["step"]) == 40


THAWED = {
    "adam": gx.adam(LR),
    "acprop": gx.acprop(LR),
    "amsgrad": gx.amsgrad(LR),
    "radam": gx.radam(LR),
    "yogi": gx.yogi(LR),
    "schedule_free_adamw": gx.schedule_free_adamw(LR),
    "8 bits": gx.adam(LR, storage=gx.int8(smallest=4)),
}


@pytest.mark.parametrize("name", THAWED)
def test_a_thawed_leaf_begins_with_steps_of_a_usual_length(tmp_path, name):
    tx = THAWED[name]
    frozen = gx.freeze("b", tx)
    state, _ = run(frozen, frozen.init(PARAMS), 0, 60, 1.0)
    found = moved(tmp_path, frozen, tx, state)
    _, most = run(tx, found.state, 60, 12, 1.0)
    _, usual = run(tx, tx.init(PARAMS), 60, 12, 1.0)
    assert most["b"] < 4 * usual["b"]


def test_a_leaf_that_is_thawed_late_begins_no_longer_under_radam(tmp_path):
    """Its second moments have a weight of their own, which is past after some thousand steps."""
    tx = gx.radam(LR)
    frozen = gx.freeze("b", tx)
    state, _ = run(frozen, frozen.init(PARAMS), 0, 1500, 1.0)
    found = moved(tmp_path, frozen, tx, state)
    _, most = run(tx, found.state, 1500, 8, 1.0)
    assert most["b"] < 2 * most["k"]
    assert "mean of the slot" in found.migration.notes["radam/scale_by_rectified_rms/average/b"]


def groups(one, other):
    return gx.partition(("k", one), (None, other))


SHARED = {
    "schedule_free": gx.schedule_free(gx.sgd(0.1), 0.1, 0.9),
    "a part by itself": gx.scale_by_lagged_rms(0.9, 1e-6),
    "schedule_free_sgd": gx.schedule_free_sgd(0.1),
    "radam": gx.radam(LR),
    "nadam": gx.nadam(LR),
    "amsgrad": gx.amsgrad(LR),
    "acprop": gx.acprop(LR),
    "lookahead": gx.lookahead(gx.adam(LR), 5),
    "8 bits": gx.radam(LR, storage=gx.int8(smallest=4)),
}


@pytest.mark.parametrize("name", SHARED)
def test_groups_that_agree_become_one_and_nothing_changes(tmp_path, name):
    """Numbers that the leaves of a part share are the same in both groups: they and the leaves go on."""
    tx = SHARED[name]
    before = groups(tx, tx)
    state, _ = run(before, before.init(PARAMS), 0, 12, 1.0)
    found = moved(tmp_path, before, tx, state)
    assert not found.migration.created
    one, other = (t.update(gradients(PARAMS, 12, 1.0), s, PARAMS) for t, s in ((before, state), (tx, found.state)))
    jax.tree.map(np.testing.assert_array_equal, one[0], other[0])
    jax.tree.map(np.testing.assert_array_equal, gx.eval_params(before, PARAMS, state), gx.eval_params(tx, PARAMS, found.state))


def test_groups_that_differ_begin_anew_together(tmp_path):
    """Averages whose weight is shared cannot keep two weights, and the one group's would be wrong for the other."""
    tx = gx.radam(LR)
    before = groups(tx, gx.every(3, tx))
    state, _ = run(before, before.init(PARAMS), 0, 12, 1.0)
    found = moved(tmp_path, before, tx, state)
    jax.tree.map(np.testing.assert_array_equal, found.state["radam"], tx.init(PARAMS)["radam"])
    assert "differs between the places" in " ".join(found.migration.notes.values())


def test_what_a_leaf_shares_comes_with_it_into_another_group(tmp_path):
    """The matrix leaves the group that runs at every step for the one that runs at every third; the vector goes the other way."""
    tx = gx.radam(LR)
    before, after = gx.partition(("k", tx), (None, gx.every(3, tx))), gx.partition(("b", tx), (None, gx.every(3, tx)))
    state, _ = run(before, before.init(PARAMS), 0, 12, 1.0)
    found = moved(tmp_path, before, after, state)
    for now, was in (("radam", "every"), ("every", "radam")):
        here = {path: source for path, source in found.migration.carried.items() if path.startswith(f"partition/{now}/")}
        own = {path for path in here if path.split("/")[-1] in ("taken", "count")}
        assert len(here.keys() - own) == 4
        assert all(here[path].startswith(f"partition/{was}/") for path in here.keys() - own)


def test_a_group_that_has_never_run_is_as_a_thawed_one(tmp_path):
    tx = gx.adam(LR)
    before = groups(gx.accumulate(tx, 1000), tx)
    state, _ = run(before, before.init(PARAMS), 0, 40, 1.0)
    found = moved(tmp_path, before, tx, state)
    second = found.state["adam"]["scale_by_rms"]["bias_correction"]["ema"]["average"]
    np.testing.assert_allclose(second["k"], jnp.mean(second["b"]), rtol=1e-6)
    _, most = run(tx, found.state, 40, 8, 1.0)
    assert most["k"] < 4 * LR


def test_two_of_a_kind_go_by_what_they_are_given(tmp_path):
    """Which name comes first in the alphabet says nothing, which momentum comes first in the chain does."""

    def momenta(*names):
        return gx.chain(*(gx.named(name, gx.scale_by_momentum(gx.ema(decay))) for name, decay in zip(names, (0.5, 0.99), strict=True)))

    before, after = momenta("fast", "slow"), momenta("z_fast", "a_slow")
    state, _ = run(before, before.init(PARAMS), 0, 3, 1.0)
    found = moved(tmp_path, before, after, state)
    for was, now in (("fast", "z_fast"), ("slow", "a_slow")):
        jax.tree.map(np.testing.assert_array_equal, found.state[now], state[was])


def test_a_statistic_in_other_axes_is_another(tmp_path):
    params = {"k": PARAMS["k"]}
    rms = gx.scale_by_rms(gx.ema(0.9), 1e-8)
    turned = {rank: gx.in_basis(gx.random_basis(16, jax.random.key(rank)), rms) for rank in (0, 1)}
    eigen = gx.in_basis(gx.kronecker_eigenbasis(gx.ema(0.95)), rms)
    for before, after, same in ((eigen, turned[0], False), (turned[0], turned[1], False), (turned[0], turned[0].replace(), True)):
        state, _ = run(before, before.init(params), 0, 12, 1.0, params)
        found = moved(tmp_path, before, gx.chain(gx.clip(1e3), after), state, params)
        assert any("scale_by_rms" in path for path in found.migration.carried) is same


NAMES = {"average": jnp.ones(4), "taken": jnp.ones(3), "weight": jnp.ones(2), "count": jnp.ones(()), "w": jnp.ones((2, 2))}
NAMED = {
    "a bare array": (jnp.linspace(0, 1, 3), gx.average),
    "a bare complex one": (jnp.linspace(0, 1, 3) * (1 + 1j), gx.average),
    "a bare scalar": (jnp.ones(()), gx.uniform_average),
    "names that the library uses": (NAMES, gx.average),
    "names under a wrapper that counts": (NAMES, gx.skip_nonfinite),
    "a bare array in 8 bits": (jnp.linspace(0, 1, 8), lambda tx: gx.average(tx.replace(storage=gx.int8(smallest=4)))),
}


@pytest.mark.parametrize("name", NAMED)
def test_parameters_may_be_called_anything_and_be_a_bare_array(tmp_path, name):
    params, wrapper = NAMED[name]
    schedule = gx.linear_schedule(1e-2, 0.0, 20)
    before, after = wrapper(gx.adam(schedule)), gx.chain(gx.clip(1e3), wrapper(gx.adamw(schedule, weight_decay=0.0)))
    state = before.init(params)
    for k in range(5):
        _, state = before.update(jax.tree.map(lambda p, k=k: jnp.cos(p + k), params), state, params)
    found = moved(tmp_path, before, after, state, params)
    assert not found.migration.created + found.migration.dropped
    jax.tree.map(np.testing.assert_array_equal, gx.eval_params(after, params, found.state), gx.eval_params(before, params, state))
    one, other = (t.update(params, s, params)[0] for t, s in ((before, state), (after, found.state)))
    jax.tree.map(np.testing.assert_array_equal, one, other)


def test_what_cannot_be_carried_over_is_said(tmp_path):
    tx, adamw = gx.adam(LR), gx.adamw(LR)
    path = training.save(tmp_path / "bare.npz", tx=tx, state=tx.init(PARAMS))
    shapes = jax.eval_shape(lambda: PARAMS)
    other = training.save(tmp_path / "other.npz", tx=tx, params=PARAMS, state={"x": jnp.ones(2)}, step=1)
    cases = {
        "Give params= as arrays, not as shapes": lambda: training.restore(path, params=shapes, tx=adamw, migrate=True),
        "none of an optimizer of gradtx, which has a step": lambda: training.restore(other, params=PARAMS, tx=adamw, migrate=True),
        "tx must be a transformation of gradtx, got .*function": lambda: training.restore(path, params=PARAMS, tx=gx.adamw, migrate=True),
        "tx must be a transformation of gradtx, got .*Adam'> .type": lambda: training.restore(
            path, params=PARAMS, tx=torch.optim.Adam, migrate=True
        ),
        "migrate must be True, or a dict of paths": lambda: training.restore(path, params=PARAMS, tx=adamw, migrate={1: 2}),
        "dict of paths of slots, got {'adamw': None}": lambda: training.restore(path, params=PARAMS, tx=adamw, migrate={"adamw": None}),
    }
    for message, call in cases.items():
        with pytest.raises((TypeError, ValueError), match=message):
            call()


EMA = "sgd/scale_by_momentum/ema/average"


def test_a_tie_that_cannot_be_kept_is_an_error(tmp_path):
    before, after = gx.sgd(LR, gx.ema(0.9)), gx.sgd(LR, gx.bias_correction(gx.ema(0.9)))
    state, _ = run(before, before.init(PARAMS), 0, 5, 1.0)
    slot = "sgd/scale_by_momentum/bias_correction"
    with pytest.raises(ValueError, match=f"has no such bias correction.*Tie {slot}/of_one/ema/average too"):
        moved(tmp_path, before, after, state, migrate={f"{slot}/ema": "sgd/scale_by_momentum/ema"})
    with pytest.raises(ValueError, match="which does not fit: shape"):
        moved(tmp_path, before, after, state, migrate={f"{slot}/ema/average/k": f"{EMA}/b"})


def test_a_tie_is_kept_where_nothing_would_be_carried(tmp_path):
    """Somebody who ties a momentum to another knows what it is divided by."""
    before, after = gx.sgd(LR, gx.ema(0.9)), gx.uncorrected_adam(LR)
    state, _ = run(before, before.init(PARAMS), 0, 5, 1.0)
    slot = "uncorrected_adam/scale_by_momentum/ema"
    found = moved(tmp_path, before, after, state, migrate={slot: "sgd/scale_by_momentum/ema"})
    jax.tree.map(np.testing.assert_array_equal, found.state["uncorrected_adam"]["scale_by_momentum"], state["sgd"]["scale_by_momentum"])


def batch(tx, rates):
    """The state of a batch of optimizers after one step, whose rates alone differ."""

    def step(rate):
        return tx(rate).update(PARAMS, tx(rate).init(PARAMS), PARAMS)[1]

    return jax.vmap(step)(rates)


def test_batches_are_carried_over_where_the_numbers_of_members_agree(tmp_path):
    rates = jnp.array([1e-3, 1e-2, 1e-1])
    params = jax.tree.map(lambda p: jnp.stack([p] * 3), PARAMS)
    state = batch(gx.adam, rates)
    path = training.save(tmp_path / "batch.npz", tx=gx.adam(rates), params=params, state=state)
    jax.tree.map(np.testing.assert_array_equal, training.restore(path).state, state)
    found = training.restore(path, tx=gx.adamw(rates), migrate=True)
    jax.tree.map(np.testing.assert_array_equal, found.state["adamw"], state["adam"])
    one = training.save(tmp_path / "one.npz", tx=gx.adam(LR), params=PARAMS, state=gx.adam(LR).init(PARAMS))
    with pytest.raises(ValueError, match="the state is of 3 optimizers, and tx is a batch of 2"):
        training.restore(path, tx=gx.adamw(rates[:2]), migrate=True)
    with pytest.raises(ValueError, match="the state is of one optimizer, and tx is a batch of 3"):
        training.restore(one, tx=gx.adamw(rates), migrate=True)
    twice = jax.tree.map(lambda leaf: jnp.stack([leaf] * 2), state)
    grid = training.save(tmp_path / "grid.npz", tx=gx.adam(LR), params=PARAMS, state=twice, step=1)
    with pytest.raises(ValueError, match="one axis of members can be carried over"):
        training.restore(grid, tx=gx.adamw(LR), migrate=True)


def test_a_part_may_have_the_name_of_a_wrapper(tmp_path):
    before, after = gx.sgd(LR, gx.ema(0.9)), gx.named("average", gx.average(gx.sgd(LR, gx.ema(0.9)), 0.9))
    state, _ = run(before, before.init(PARAMS), 0, 3, 1.0)
    found = moved(tmp_path, before, after, state)
    assert not found.migration.dropped
    assert {path.split("/")[1] for path in found.migration.created} == {"average"}


def test_a_group_without_leaves_is_carried_too(tmp_path):
    before, after = gx.adam_mini(LR), gx.chain(gx.clip(1e3), gx.adam_mini(LR))
    state, _ = run(before, before.init(PARAMS), 0, 3, 1.0)
    assert not moved(tmp_path, before, after, state).migration.created


def test_tuners_belong_to_the_leaves_that_they_tune(tmp_path):
    tx = gx.mechanic(gx.adam(1.0))
    before, after = gx.partition(("k", tx), (None, tx)), gx.partition(("b", tx), (None, tx))
    state, _ = run(before, before.init(PARAMS), 0, 12, 1.0)
    found = moved(tmp_path, before, after, state)
    was, now = (dict(zip(order, s["partition"].values(), strict=True)) for order, s in (("kb", state), ("bk", found.state)))
    for leaf in "kb":
        jax.tree.map(np.testing.assert_array_equal, now[leaf]["tuner_0"], was[leaf]["tuner_0"])
    assert not found.migration.created
    assert "differs between the places" in " ".join(moved(tmp_path, before, tx, state).migration.notes.values())


@pytest.mark.parametrize("wrapper", [lambda tx: gx.accumulate(tx, 2), lambda tx: gx.every(2, tx), gx.skip_nonfinite])
def test_groups_that_counted_the_same_steps_go_on_with_them(tmp_path, wrapper):
    tx = wrapper(gx.adam(gx.linear_schedule(1e-2, 0.0, 20)))
    before = groups(tx, tx)
    state, _ = run(before, before.init(PARAMS), 0, 12, 1.0)
    found = moved(tmp_path, before, tx, state)
    assert "step" not in found.migration.notes
    one, other = (run(t, s, 12, 3, 1.0)[1] for t, s in ((before, state), (tx, found.state)))
    assert one == other


@gx.transformation
def average(inner: gx.GradientTransformation):
    """Parameters averaged by one's own rule, under a name of the library."""

    def update(updates, state, params):
        updates, new = inner.update(updates, state["inner"], params)
        return updates, {"inner": new, "average": jax.tree.map(lambda a, p: 0.9 * a + 0.1 * p, state["average"], params)}

    return lambda params: {"inner": inner.init(params), "average": jax.tree.map(jnp.array, params)}, update


@gx.transformation
def clip(size: gx.Number):
    """A thousand times as much, under a name of the library."""
    return gx.scale(size)


def test_parts_of_ones_own_are_not_taken_for_those_of_the_library(tmp_path):
    before = gx.adam(LR)
    state, _ = run(before, before.init(PARAMS), 0, 3, 1.0)
    assert set(moved(tmp_path, before, gx.chain(clip(1e3), before), state).migration.carried) == {"step"}
    own = average(gx.adam(LR))
    state, _ = run(own, own.init(PARAMS), 0, 3, 1.0)
    found = moved(tmp_path, own, average(gx.adamw(LR)), state)
    assert not found.migration.created
    moved(tmp_path, own, gx.average(gx.adamw(LR)), state)


def test_sam_comes_late(tmp_path):
    before = gx.adam(LR)
    state, _ = run(before, before.init(PARAMS), 0, 3, 1.0)
    assert not moved(tmp_path, before, gx.chain(gx.sam(0.05), before), state).migration.created


PLACED = ["in_basis", "bias_correction", "average", "scale_by_rms", "adamw_2", "inner"]


@pytest.mark.parametrize("name", PLACED)
def test_parts_may_be_called_like_others(tmp_path, name):
    before, after = gx.adam(LR), gx.named(name, gx.adam(LR))
    state, _ = run(before, before.init(PARAMS), 0, 3, 1.0)
    found = moved(tmp_path, before, after, state)
    assert not found.migration.created + found.migration.dropped
    assert not moved(tmp_path, after, before, found.state).migration.created


def test_optimizers_of_ones_own_are_what_they_are_made_of(tmp_path):
    before = gx.adamw(LR)
    state, _ = run(before, before.init(PARAMS), 0, 3, 1.0)
    for after in (mine(LR), gx.average(mine(LR), 0.9)):
        found = moved(tmp_path, before, after, state)
        assert not found.migration.dropped
        assert all(path.startswith("average/") for path in found.migration.created)


def test_what_changes_no_size_leaves_a_momentum_alone(tmp_path):
    before, after = gx.adam(LR), gx.optimistic_adam(LR)
    state, _ = run(before, before.init(PARAMS), 0, 3, 1.0)
    found = moved(tmp_path, before, after, state)
    assert not found.migration.dropped
    found = moved(tmp_path, before, gx.chain(before, remembers()), state)
    assert (
        "something that it may be divided by begins anew" in found.migration.notes["adam/scale_by_momentum/bias_correction/ema/average/k"]
    )


YOUNG = ["schedule_free_adamw", "schedule_free_radam", "madgrad", "novograd", "adopt"]


@pytest.mark.parametrize("name", YOUNG)
def test_what_is_taken_for_old_and_is_not_is_said(tmp_path, name):
    before = gx.adam(LR)
    state, _ = run(before, before.init(PARAMS), 0, 3, 1.0)
    migration = moved(tmp_path, before, getattr(gx, name)(LR), state).migration
    assert any("takes it for as old as the step" in migration.notes.get(path, "") for path in migration.created)
    assert not moved(tmp_path, before, gx.adamw(LR), state).migration.notes


def test_an_optimizer_that_is_no_data_goes_on_as_itself(tmp_path):
    tx = gx.chain(gx.observe("norm", gx.gradient_norm), gx.adam(LR))
    state, _ = run(tx, tx.init(PARAMS), 0, 3, 1.0)
    found = moved(tmp_path, tx, tx, state)
    jax.tree.map(np.testing.assert_array_equal, found.state, state)
    with pytest.raises(ValueError, match=r"the checkpoint has no optimizer as data.*or without the parts that take them"):
        moved(tmp_path, tx, gx.adam(LR), state)
