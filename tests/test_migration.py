"""Going on with another optimizer: what is carried is what it was, and training goes on as if nothing had happened."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch

import gradtx as gx
from gradtx import sharding, training
from gradtx._core.trees import path_name

PARAMS = {"k": jnp.linspace(-1, 1, 64).reshape(8, 8), "b": jnp.linspace(0, 1, 3)}


def gradients(k):
    return jax.tree.map(lambda p: jnp.sin(3 * p + k) + 0.1, PARAMS)


def run(tx, state, start=0, steps=3):
    for k in range(start, start + steps):
        updates, state = tx.update(gradients(k), state, PARAMS)
    return updates, state


def moved(tmp_path, before, after, migrate=True, state=None):
    state = run(before, before.init(PARAMS))[1] if state is None else state
    path = training.save(tmp_path / "one.npz", tx=before, params=PARAMS, state=state)
    return state, training.restore(path, params=PARAMS, tx=after, migrate=migrate)


def close(one, other, rtol=1e-6, atol=1e-9):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=atol), one, other)


SCHEDULE = gx.cosine_decay_schedule(1e-3, 100)
SAME = {
    "a clip": (gx.adam(1e-3), gx.chain(gx.clip_by_global_norm(1e3), gx.adam(1e-3))),
    "no clip": (gx.chain(gx.clip(1e3), gx.adam(1e-3)), gx.adam(1e-3)),
    "a schedule": (gx.adam(1e-3), gx.adam(gx.constant_schedule(1e-3))),
    "AdamW": (gx.adam(1e-3), gx.adamw(1e-3, weight_decay=0.0)),
    "other decays": (gx.adam(1e-3), gx.adam(1e-3, eps=1e-8)),
    "protection": (gx.adam(1e-3), gx.skip_nonfinite(gx.adam(1e-3))),
    "groups": (gx.adam(1e-3), gx.partition(("k", gx.adam(1e-3)), (None, gx.adam(1e-3)))),
    "no groups": (gx.partition(("k", gx.adam(1e-3)), (None, gx.adam(1e-3))), gx.adam(1e-3)),
}


@pytest.mark.parametrize("name", SAME)
def test_training_goes_on(tmp_path, name):
    before, after = SAME[name]
    state, found = moved(tmp_path, before, after)
    assert all("of_one" in path for path in found.migration.dropped)  # two groups with one weight each become one
    close(run(after, found.state, 3, 1)[0], run(before, state, 3, 1)[0])
    assert int(found.state["step"]) == 3


WRAPPED = {
    "average": gx.average,
    "uniform_average": gx.uniform_average,
    "lookahead": gx.lookahead,
    "accumulate": lambda tx: gx.accumulate(tx, 2),
    "every": lambda tx: gx.every(2, tx),
    "skip_nonfinite": gx.skip_nonfinite,
    "skip_spikes": gx.skip_spikes,
    "masked": lambda tx: gx.masked("*", tx),
    "two": lambda tx: gx.average(gx.skip_spikes(tx)),
}


@pytest.mark.parametrize("name", WRAPPED)
def test_what_stands_around_an_optimizer_comes_and_goes_and_its_averages_stay(tmp_path, name):
    adam, wrapped = gx.adam(1e-3), WRAPPED[name](gx.adam(1e-3))
    state, there = moved(tmp_path, adam, wrapped)
    assert not any("adam" in path for path in (*there.migration.created, *there.migration.dropped))
    inner = there.state
    while "adam" not in inner:
        inner = inner.get("inner") or next(inner[key] for key in WRAPPED if key in inner)
    jax.tree.map(np.testing.assert_array_equal, inner["adam"], state["adam"])
    _, back = moved(tmp_path, wrapped, adam, state=there.state)
    assert not back.migration.created
    jax.tree.map(np.testing.assert_array_equal, back.state["adam"], state["adam"])


CODECS = [None, gx.int8(smallest=4), gx.bfloat16(), gx.companded(smallest=4)]


@pytest.mark.parametrize(("one", "other"), [(0, 1), (1, 0), (1, 2), (3, 1), (1, 1)])
def test_codecs_change(tmp_path, one, other):
    before, after = gx.adam(1e-3, storage=CODECS[one]), gx.adamw(1e-3, weight_decay=0.0, storage=CODECS[other])
    state, found = moved(tmp_path, before, after)
    assert len(found.migration.carried) == 7
    assert not found.migration.dropped
    close(run(after, found.state, 3, 1)[0], run(before, state, 3, 1)[0], *((0.15, 1e-5) if one != other else (0, 0)))
    if one == other:
        pairs = zip(jax.tree.leaves(state["adam"]), jax.tree.leaves(found.state["adamw"]), strict=True)
        assert all(np.array_equal(a, b) for a, b in pairs)


LAYERS = {"k": jnp.zeros((2, 8, 6))}


def turned(codec, of_basis):
    """Statistics of each layer, in a basis, and of the basis, all of them in code."""
    basis = gx.kronecker_eigenbasis(gx.stored(gx.ema(0.5), of_basis))
    inner = gx.in_basis(basis, gx.scale_by_rms(gx.stored(gx.ema(0.5), codec), 1e-8))
    return gx.layerwise(gx.roles(("k", gx.role("matrix", stack=0))), inner)


def test_codecs_change_in_layers_and_bases(tmp_path):
    """Two codes with arrays of equal shape and dtype mean different numbers: their arrays are not taken over as they are."""
    plain = turned(None, None)
    state = jax.tree.map(lambda leaf: (jnp.arange(leaf.size).reshape(leaf.shape) + 9).astype(leaf.dtype), plain.init(LAYERS))
    before, now = plain, state
    for after in (turned(gx.companded(smallest=4), gx.bfloat16()), turned(gx.int8(smallest=4), None), plain):
        path = training.save(tmp_path / "one.npz", tx=before, params=LAYERS, state=now)
        found = training.restore(path, params=LAYERS, tx=after, migrate=True)
        assert not found.migration.created + found.migration.dropped
        before, now = after, found.state
    close(now, state, rtol=0.05)
    assert not all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(now), jax.tree.leaves(state), strict=True))


INT8, COMPANDED = gx.int8(smallest=4), gx.companded(smallest=4)
CODED = {
    "two in a partition": (
        gx.partition(("k", gx.adam(1e-3, storage=INT8)), (None, gx.adam(1e-3, storage=COMPANDED))),
        gx.partition(("k", gx.adam(1e-3)), (None, gx.adam(1e-3))),
    ),
    "a part of its own": (gx.radam(1e-3, storage=INT8), gx.radam(1e-3)),
    "a number beside it": (gx.nadam(1e-3, storage=INT8), gx.nadam(1e-3)),
    "a moment made of parts": (gx.adabelief(1e-3, storage=INT8), gx.adabelief(1e-3)),
}


@pytest.mark.parametrize("name", CODED)
def test_a_codec_is_left_wherever_a_statistic_is_kept(tmp_path, name):
    """What was decoded at each step goes on as it was decoded."""
    before, after = CODED[name]
    state, found = moved(tmp_path, before, after)
    assert not found.migration.created + found.migration.dropped
    close(run(after, found.state, 3, 1)[0], run(before, state, 3, 1)[0], rtol=1e-5)


def test_adam_becomes_soap(tmp_path):
    """The second moments of matrices are in a basis that there was not: they, and the momentum that they divide, begin as SOAP begins."""
    soap = gx.soap(1e-3, "k")
    state, found = moved(tmp_path, gx.adam(1e-3), soap)
    assert set(found.migration.dropped) == {f"adam/scale_by_{x}/bias_correction/ema/average/k" for x in ("momentum", "rms")}
    groups, begun = (s["soap"]["adam_elsewhere"]["partition"] for s in (found.state, soap.init(PARAMS)))
    jax.tree.map(np.testing.assert_array_equal, groups["chain"], begun["chain"])
    for name, part in groups["chain_2"].items():
        one, other = (entry["bias_correction"] for entry in (part, state["adam"][name]))
        np.testing.assert_array_equal(one["of_one"]["ema"]["average"], other["of_one"]["ema"]["average"])
        np.testing.assert_array_equal(one["ema"]["average"]["b"], other["ema"]["average"]["b"])
    assert "may be divided by begins anew" in found.migration.notes[next(path for path in found.migration.created if "momentum" in path)]


def test_groups_that_started_apart_become_adam_with_one_bias_correction(tmp_path):
    """One group has run a third as often; what Adam reads, the corrected averages, stay as they were."""
    tx = gx.adam(1e-3, 0.95, 0.95)
    before = gx.partition(("k", gx.every(3, tx)), (None, tx))
    state, found = moved(tmp_path, before, tx, state=run(before, before.init(PARAMS), steps=9)[1])

    def corrected(entry):
        entries = (entry[part]["bias_correction"] for part in ("scale_by_momentum", "scale_by_rms"))
        return [{k: x / e["of_one"]["ema"]["average"] for k, x in e["ema"]["average"].items() if x is not None} for e in entries]

    slow, fast = state["partition"]["every"], state["partition"]["adam"]
    for one, k, b in zip(*map(corrected, (found.state["adam"], slow["inner"]["adam"], fast)), strict=True):
        close(one, k | b)


def test_thawed_leaves_begin_with_sound_steps(tmp_path):
    frozen, after = gx.freeze("k", gx.adam(1e-3)), gx.adam(1e-3)
    state, found = moved(tmp_path, frozen, after, state=run(frozen, frozen.init(PARAMS), steps=40)[1])
    assert found.migration.created == tuple(f"adam/scale_by_{x}/bias_correction/ema/average/k" for x in ("momentum", "rms"))
    assert "mean of the slot" in found.migration.notes["adam/scale_by_rms/bias_correction/ema/average/k"]
    second = found.state["adam"]["scale_by_rms"]["bias_correction"]["ema"]["average"]
    np.testing.assert_allclose(second["k"], jnp.mean(second["b"]), rtol=1e-6)
    close(run(after, found.state, 40, 1)[0]["b"], run(frozen, state, 40, 1)[0]["b"])
    assert jnp.max(jnp.abs(run(after, found.state, 40, 20)[0]["k"])) < 3e-3


def test_frozen_leaves_are_dropped(tmp_path):
    _, found = moved(tmp_path, gx.adam(1e-3), gx.freeze("k", gx.adam(1e-3)))
    assert all(path.endswith("/k") for path in found.migration.dropped)
    assert len(found.migration.dropped) == 2


def test_schedules_go_on_where_they_were(tmp_path):
    """A wrapper that counts the steps taken by what it wraps begins at theirs, and leaves them when it goes."""
    plain, protected, gathered = gx.adam(SCHEDULE), gx.skip_nonfinite(gx.adam(SCHEDULE)), gx.accumulate(gx.adam(SCHEDULE), 3)
    state, found = moved(tmp_path, plain, protected)
    assert found.state["skip_nonfinite"]["taken"] == 3
    close(run(protected, found.state, 3, 1)[0], run(plain, state, 3, 1)[0])
    state, found = moved(tmp_path, gathered, plain)
    assert found.state["step"] == state["accumulate"]["taken"] == 1


def test_other_statistics_are_not_taken_for_these(tmp_path):
    _, found = moved(tmp_path, gx.adam(1e-3), gx.adabelief(1e-3))
    assert not any("scale_by_rms" in path or "scale_by_stddev" in path for path in found.migration.carried)
    _, found = moved(tmp_path, gx.adam(1e-3), gx.lion(1e-3))
    assert list(found.migration.carried) == ["step"]


def test_slots_are_tied_by_hand(tmp_path):
    old, new = "adam/scale_by_momentum/bias_correction/ema", "lion/scale_by_momentum/two_rate_average"
    state, found = moved(tmp_path, gx.adam(1e-3), gx.lion(1e-3), migrate={new: old})
    momentum = state["adam"]["scale_by_momentum"]["bias_correction"]["ema"]["average"]
    close(found.state["lion"]["scale_by_momentum"]["two_rate_average"]["average"], momentum)
    with pytest.raises(ValueError, match="no slot is called 'lion/nothing'"):
        moved(tmp_path, gx.adam(1e-3), gx.lion(1e-3), migrate={"lion/nothing": old})


def test_two_of_a_kind_are_not_mixed_up(tmp_path):
    two = gx.chain(gx.named("one", gx.scale_by_momentum(gx.ema(0.9))), gx.named("two", gx.scale_by_momentum(gx.ema(0.5))))
    _, found = moved(tmp_path, gx.sgd(1e-3, gx.ema(0.9)), two)
    assert list(found.migration.carried) == [f"one/scale_by_momentum/ema/average/{name}" for name in ("b", "k")] + ["step"]
    _, found = moved(tmp_path, two, gx.sgd(1e-3, gx.ema(0.9)))
    assert {path.split("/")[0] for path in found.migration.carried.values()} == {"one", "step"}


def test_the_report_reads_leaf_by_leaf(tmp_path):
    _, found = moved(tmp_path, gx.sgd(1e-3, gx.ema(0.9)), gx.chain(gx.clip(1.0), gx.freeze("k", gx.sgd(1e-3, gx.ema(0.9)))))
    assert str(found.migration) == (
        "2 carried, 0 created, 1 dropped\n"
        "  carried  freeze/sgd/scale_by_momentum/ema/average/b  (from sgd/scale_by_momentum/ema/average/b)\n"
        "  carried  step\n"
        "  dropped  sgd/scale_by_momentum/ema/average/k"
    )


def test_optax_goes_on_as_gradtx():
    theirs = optax.chain(optax.clip(1e3), optax.adamw(optax.constant_schedule(1e-3), b1=0.8, weight_decay=0.0))
    state = theirs.init(PARAMS)
    for k in range(4):
        expected, new = theirs.update(gradients(k), state, PARAMS)
        state, before = (new, state)
    tx = gx.adamw(1e-3, b1=0.8, weight_decay=0.0)
    found = training.from_optax(tx, PARAMS, before, b1=0.8)
    close(tx.update(gradients(3), found.state, PARAMS)[0], expected, rtol=2e-5)
    assert not found.migration.created
    with pytest.raises(ValueError, match="no ScaleByAdamState"):
        training.from_optax(tx, PARAMS, optax.sgd(0.1).init(PARAMS))
    with pytest.raises(ValueError, match="missing: b; unexpected: c"):
        training.from_optax(tx, PARAMS, optax.adam(0.1).init({"k": PARAMS["k"], "c": PARAMS["b"]}))


def test_optax_with_a_state_for_each_group():
    labels = {"k": "one", "b": "two"}
    theirs = optax.multi_transform({"one": optax.adam(1e-3), "two": optax.adam(1e-3)}, labels)
    state = theirs.init(PARAMS)
    _, state = theirs.update(gradients(0), state, PARAMS)
    expected, _ = theirs.update(gradients(1), state, PARAMS)
    tx = gx.adam(1e-3)
    close(tx.update(gradients(1), training.from_optax(tx, PARAMS, state).state, PARAMS)[0], expected, rtol=2e-5)


@pytest.mark.parametrize("named", [True, False])
def test_torch_goes_on_as_gradtx(named):
    """The bias joins a step later, in a group with other decays: each has its own correction."""
    weight, bias = (torch.nn.Parameter(torch.tensor(np.asarray(PARAMS[name]).T.copy())) for name in ("k", "b"))
    members = [("fc.weight", weight), ("fc.bias", bias)] if named else [weight, bias]
    groups = [{"params": [members[0]]}, {"params": [members[1]], "betas": (0.9, 0.99)}]
    theirs = torch.optim.AdamW(groups, lr=1e-3, weight_decay=0.0)
    for k in range(4):
        before, was = theirs.state_dict(), [weight.detach().numpy().copy(), bias.detach().numpy().copy()]
        before = {**before, "state": {n: {key: v.clone() for key, v in entry.items()} for n, entry in before["state"].items()}}
        weight.grad = torch.tensor(np.asarray(gradients(k)["k"]).T.copy())
        bias.grad = torch.tensor(np.asarray(gradients(k)["b"])) if k else None
        theirs.step()
    expected = {"k": (weight.detach().numpy() - was[0]).T, "b": bias.detach().numpy() - was[1]}
    keys = ("fc.weight", "fc.bias") if named else (0, 1)
    leaves = {keys[0]: ("k", (1, 0)), keys[1]: "b"}
    tx = gx.partition(("k", gx.adam(1e-3)), (None, gx.adam(1e-3, b2=0.99)))
    found = training.from_torch(tx, PARAMS, before, leaves)
    updates, _ = tx.update(gradients(3), found.state, PARAMS)
    close(updates, expected, atol=1.2e-7)  # what the weights, which are read, are rounded to
    with pytest.raises(ValueError, match="no leaf is given for"):
        training.from_torch(tx, PARAMS, before, {keys[0]: ("k", (1, 0))})
    with pytest.raises(ValueError, match="is no leaf of the parameters"):
        training.from_torch(tx, PARAMS, before, {keys[0]: "kernel", keys[1]: "b"})
    for axes in ((0, 0), (1, 2), (0,)):
        with pytest.raises(ValueError, match="must be each of its 2 axes once"):
            training.from_torch(tx, PARAMS, before, {keys[0]: ("k", axes), keys[1]: "b"})
    for target in (3, ("k",), ("k", "10"), ("k", (1, 0), 1)):
        with pytest.raises(TypeError, match="goes to the path of a leaf, or to a path and axes"):
            training.from_torch(tx, PARAMS, before, {keys[0]: target, keys[1]: "b"})
    with pytest.raises(TypeError, match="leaves must map PyTorch's parameters to paths, got list"):
        training.from_torch(tx, PARAMS, before, ["k", "b"])


def test_a_state_that_is_carried_over_comes_as_the_given_one_is(tmp_path):
    before, after = gx.adam(1e-3), gx.adamw(1e-3)
    _, found = moved(tmp_path, before, after)
    like = jax.tree.map(np.asarray, after.init(PARAMS))
    given = training.restore(tmp_path / "one.npz", params=PARAMS, tx=after, state=like, migrate=True)
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(given.state))
    close(given.state, found.state)
    with pytest.raises(training.MismatchedCheckpointError, match="the state carried over does not fit the state"):
        training.restore(tmp_path / "one.npz", params=PARAMS, tx=after, state=before.init(PARAMS), migrate=True)


def test_what_pytorch_divides_by_and_is_not_carried_is_refused():
    weight = torch.nn.Parameter(torch.ones(3))
    theirs = torch.optim.AdamW([weight], amsgrad=True)
    weight.grad = torch.ones(3)
    theirs.step()
    with pytest.raises(ValueError, match="from_torch: 0 was trained with amsgrad=True"):
        training.from_torch(gx.adamw(1e-3), {"w": jnp.ones(3)}, theirs.state_dict(), {0: "w"})


def test_parameters_that_paths_do_not_tell_apart_are_refused(tmp_path):
    params = {"a/b": jnp.ones(2), "a": {"b": jnp.ones(2)}}
    tx = gx.adam(1e-3)
    path = training.save(tmp_path / "one.npz", tx=tx, params=params, state=tx.init(params))
    for call in (
        lambda: training.restore(path, params=params, tx=gx.adamw(1e-3), migrate=True),
        lambda: training.from_optax(tx, params, optax.adam(1e-3).init(params)),
    ):
        with pytest.raises(ValueError, match="2 parameters have the path a/b, and a state is carried over by path"):
            call()


def test_a_model_that_is_partly_frozen_has_averages_of_the_rest():
    ours = gx.freeze("b", gx.adamw(1e-3, weight_decay=0.0))
    theirs = optax.masked(optax.adamw(1e-3, weight_decay=0.0), {"k": True, "b": False})
    state = theirs.init(PARAMS)
    for k in range(3):
        _, state = theirs.update(gradients(k), state, PARAMS)
    expected, _ = theirs.update(gradients(3), state, PARAMS)
    found = training.from_optax(ours, PARAMS, state)
    updates, _ = ours.update(gradients(3), found.state, PARAMS)
    close(updates["k"], expected["k"], rtol=3e-5)
    assert not np.any(updates["b"])
    with pytest.raises(ValueError, match="from_optax: the leaves differ from those of the parameters: missing: b; unexpected: nothing"):
        training.from_optax(gx.adamw(1e-3), PARAMS, state)
    weight = torch.nn.Parameter(torch.tensor(np.asarray(PARAMS["k"])))
    optimizer = torch.optim.AdamW([weight], weight_decay=0.0)
    weight.grad = torch.tensor(np.asarray(gradients(0)["k"]))
    optimizer.step()
    imported = training.from_torch(ours, PARAMS, optimizer.state_dict(), {0: "k"})
    assert int(imported.state["step"]) == 1
    averaged = gx.average(ours)
    found = training.from_optax(averaged, PARAMS, state)
    again, _ = averaged.update(gradients(3), found.state, PARAMS)
    close(again, updates)


def test_a_state_that_is_carried_over_lies_with_its_parameters(tmp_path):
    mesh = jax.make_mesh((4,), ("x",), devices=jax.devices()[:4])
    spread = jax.NamedSharding(mesh, jax.P("x"))
    params = {"w": jax.device_put(jnp.arange(16.0), spread)}
    before, after = gx.adam(1e-3), gx.chain(gx.clip_by_global_norm(1.0), gx.adamw(1e-3))
    _, state = before.update(params, before.init(params), params)
    training.save(tmp_path, step=1, tx=before, params=params, state=state)
    expected = training.restore(tmp_path, tx=after, migrate=True).state
    layout = sharding.state_shardings(after, params, mesh)
    like = jax.tree.map(lambda leaf, at: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=at), expected, layout)
    for found in (
        training.restore(tmp_path, tx=after, params=params, migrate=True),
        training.restore(tmp_path, tx=after, params=params, state=like, migrate=True),
    ):
        jax.tree.map(np.testing.assert_array_equal, found.state, expected)
        assert all(
            leaf.sharding.is_equivalent_to(at, leaf.ndim) for leaf, at in zip(*map(jax.tree.leaves, (found.state, layout)), strict=True)
        )
    kept = training.restore(tmp_path, params=params).state
    assert all(
        leaf.sharding.is_equivalent_to(at.sharding, leaf.ndim) for leaf, at in zip(*map(jax.tree.leaves, (kept, state)), strict=True)
    )


def test_a_tie_that_ties_nothing_is_an_error(tmp_path):
    for tie in ({"adam/scale_by_momentum": "sgd/scale_by_momentum"}, {"step": "sgd"}):
        with pytest.raises(ValueError, match="ties nothing: below the one are"):
            moved(tmp_path, gx.sgd(0.1, gx.trace(0.9)), gx.adam(1e-3), tie)
    with pytest.raises(TypeError, match="migrate must be True, or a dict of paths of slots"):
        moved(tmp_path, gx.adam(1e-3), gx.adamw(1e-3), ["x"])


def test_what_is_not_trained_has_no_averages_to_carry():
    params = {**PARAMS, "count": jnp.arange(3)}
    state = optax.adam(1e-3).init(params)
    found = training.from_optax(gx.adam(1e-3), params, state)
    assert jax.tree.structure(found.state) == jax.tree.structure(gx.adam(1e-3).init(params))


THAWED = {
    "average": (gx.freeze("b", gx.average(gx.adamw(1e-2), 0.9)), gx.average(gx.adamw(1e-2), 0.9)),
    "uniform_average": (gx.freeze("b", gx.uniform_average(gx.adamw(1e-2))), gx.uniform_average(gx.adamw(1e-2))),
    "a group": (gx.partition(("k", gx.average(gx.adamw(1e-2), 0.9)), (None, gx.adamw(1e-3))), gx.average(gx.adamw(1e-2), 0.9)),
}


@pytest.mark.parametrize("name", THAWED)
def test_a_leaf_whose_average_is_new_is_evaluated_as_it_is(tmp_path, name):
    before, after = THAWED[name]
    params = PARAMS
    state = before.init(params)
    for k in range(5):
        updates, state = before.update(gradients(k), state, params)
        params = gx.apply_updates(params, updates)
    path = training.save(tmp_path / "one.npz", tx=before, params=params, state=state)
    found = training.restore(path, params=params, tx=after, migrate=True)
    at = gx.eval_params(after, params, found.state)
    np.testing.assert_allclose(at["b"], params["b"], rtol=1e-6)
    np.testing.assert_allclose(at["k"], gx.eval_params(before, params, state)["k"], rtol=1e-6)
    assert any("as if the parameter had always been what it is" in note for note in found.migration.notes.values())


LINEAR = gx.adamw(gx.linear_schedule(1e-2, 0.0, 20))
INNER = gx.accumulate(LINEAR, 4)
COUNTS = {
    "accumulate": (INNER, LINEAR, {"step": 4}),
    "average of it": (gx.average(INNER), gx.average(LINEAR), {"step": 4}),
    "out of two": (gx.skip_nonfinite(INNER), LINEAR, {"step": 4}),
    "a slow copy": (gx.lookahead(INNER), gx.lookahead(LINEAR), {"step": 4}),
    "frozen": (gx.freeze("b", INNER), LINEAR, {"step": 4}),
    "every": (gx.average(gx.every(4, LINEAR)), gx.average(LINEAR), {"step": 4}),
    "behind a clip": (gx.chain(gx.clip(1.0), INNER), LINEAR, {"step": 4}),
    "into one": (LINEAR, INNER, {"step": 16, "accumulate/taken": 16}),
    "one more around": (
        INNER,
        gx.skip_nonfinite(INNER),
        {"step": 16, "skip_nonfinite/taken": 16, "skip_nonfinite/inner/accumulate/taken": 4},
    ),
    "one less around": (gx.skip_nonfinite(INNER), INNER, {"step": 16, "accumulate/taken": 4}),
    "inside out": (
        gx.skip_nonfinite(INNER),
        gx.accumulate(gx.skip_nonfinite(LINEAR), 4),
        {"step": 16, "accumulate/taken": 4, "accumulate/inner/skip_nonfinite/taken": 4},
    ),
    "two as one": (gx.accumulate(gx.accumulate(LINEAR, 2), 2), INNER, {"step": 16, "accumulate/taken": 4}),
    "the same groups": (gx.partition(("k", INNER), (None, LINEAR)),) * 2 + ({"step": 16, "partition/accumulate/taken": 4},),
}


@pytest.mark.parametrize("name", COUNTS)
def test_schedules_go_on_at_the_step_at_which_they_were(tmp_path, name):
    before, after, expected = COUNTS[name]
    _, found = moved(tmp_path, before, after, state=run(before, before.init(PARAMS), steps=16)[1])
    paths = {path_name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(found.state)}
    assert {path: int(leaf) for path, leaf in paths.items() if path.split("/")[-1] in ("step", "taken")} == expected
    assert "step" not in found.migration.notes


BESIDE = {
    "nothing": (gx.chain(gx.every(4, gx.identity()), LINEAR), LINEAR),
    "a clip": (gx.chain(gx.every(4, gx.clip(1.0)), LINEAR), gx.chain(gx.clip(1.0), LINEAR)),
    "a rate that becomes a schedule": (gx.chain(gx.every(4, gx.clip(1.0)), gx.adamw(1e-3)), LINEAR),
    "momentum": (
        gx.chain(gx.accumulate(gx.scale_by_momentum(gx.ema(0.9)), 4), gx.scale_by_learning_rate(gx.linear_schedule(1.0, 0.0, 20))),
        gx.chain(gx.scale_by_momentum(gx.ema(0.9)), gx.scale_by_learning_rate(gx.linear_schedule(1.0, 0.0, 20))),
    ),
}


@pytest.mark.parametrize("name", BESIDE)
def test_a_schedule_beside_a_wrapper_that_counts_keeps_its_step(tmp_path, name):
    before, after = BESIDE[name]
    _, found = moved(tmp_path, before, after, state=run(before, before.init(PARAMS), steps=16)[1])
    assert int(found.state["step"]) == 16
    assert "may be at another one" in found.migration.notes["step"]


def test_a_tie_of_the_step_is_kept(tmp_path):
    _, found = moved(tmp_path, INNER, LINEAR, migrate={"step": "step"}, state=run(INNER, INNER.init(PARAMS), steps=16)[1])
    assert int(found.state["step"]) == 16


@pytest.mark.parametrize("wrapper", [gx.average, gx.uniform_average], ids=["average", "uniform_average"])
def test_averages_of_groups_that_become_one_stay_what_they_were(tmp_path, wrapper):
    before = gx.partition(("k", wrapper(gx.adam(1e-2))), (None, wrapper(gx.adam(1e-2))))
    state = run(before, before.init(PARAMS), steps=6)[1]
    after = wrapper(gx.adam(1e-2))
    _, found = moved(tmp_path, before, after, state=state)
    close(gx.eval_params(after, PARAMS, found.state), gx.eval_params(before, PARAMS, state))


MEAN, LATE = gx.average(gx.sgd(1e-2), 0.9), gx.uniform_average(gx.sgd(1e-2), 60)
EMPTY = {
    "not begun": (gx.partition(("k", LATE), (None, gx.uniform_average(gx.sgd(1e-2)))), gx.uniform_average(gx.sgd(1e-2))),
    "run once": (gx.partition(("k", gx.accumulate(MEAN, 8)), (None, MEAN)), MEAN),
    "under other names": (gx.partition(("k", gx.accumulate(MEAN, 8)), (None, MEAN)), gx.partition(("k", MEAN), (None, MEAN))),
    "the same": (gx.partition(("k", MEAN), (None, MEAN)), gx.partition(("k", MEAN), (None, MEAN))),
}


@pytest.mark.parametrize("name", EMPTY)
def test_an_average_that_has_taken_in_nothing_hurts_no_other_and_is_none(tmp_path, name):
    before, after = EMPTY[name]
    state = run(before, before.init(PARAMS), steps=8)[1]
    _, found = moved(tmp_path, before, after, state=state)
    close(gx.eval_params(after, PARAMS, found.state), gx.eval_params(before, PARAMS, state))


def test_averages_that_have_seen_more_and_less_become_one_without_a_change(tmp_path):
    """Two groups of other decays: what each has averaged so far, weight apart, stays."""
    before = gx.partition(("k", gx.average(gx.adam(1e-2), 0.9)), (None, gx.average(gx.adam(1e-2), 0.5)))
    state = run(before, before.init(PARAMS), steps=3)[1]
    _, found = moved(tmp_path, before, gx.average(gx.adam(1e-2), 0.9), state=state)
    groups, one = state["partition"].values(), found.state["average"]
    for name, group in zip(("k", "b"), groups, strict=True):
        was = group["average"][name] / group["weight"]
        np.testing.assert_allclose(one["average"][name] / one["weight"], was, rtol=1e-5)


def test_what_a_step_keeps_beside_the_optimizer_comes_back_and_stays(tmp_path):
    step = training.make_step(lambda params, batch: jnp.sum(params["k"] ** 2), loss_scale=training.dynamic_loss_scale(8.0), donate=False)
    tx, after = gx.adam(1e-3), gx.adamw(1e-3)
    params, state, _ = step(tx, PARAMS, step.init(tx, PARAMS), None)
    training.save(tmp_path, step=1, tx=tx, params=params, state=state)
    found = training.restore(tmp_path)
    jax.tree.map(np.testing.assert_array_equal, found.state, state)
    found = training.restore(tmp_path, params=params, tx=after, migrate=True)
    assert float(found.state["loss_scale"]["scale"]) == 8.0
    assert int(found.state["optimizer"]["step"]) == 1
    step(after, found.params, found.state, None)


class Statistics(NamedTuple):
    mean: jax.Array
    count: jax.Array


@pytest.mark.parametrize("form", ["npz", "orbax"])
def test_a_model_state_of_ones_own_kind_is_no_hindrance(tmp_path, form):
    step = training.make_step(lambda params, batch, model_state: (jnp.sum(params["k"] ** 2), model_state), donate=False)
    tx = gx.adam(1e-3)
    state = step.init(tx, PARAMS, Statistics(jnp.ones(3), jnp.int32(4)))
    training.save(tmp_path, step=1, tx=tx, params=PARAMS, state=state, format=form)
    found = training.restore(tmp_path, params=PARAMS).state
    jax.tree.map(np.testing.assert_array_equal, found["optimizer"], state["optimizer"])
    assert int(found["model_state"]["count"]) == 4
    whole = training.restore(tmp_path, params=PARAMS, state=state).state
    assert jax.tree.structure(whole) == jax.tree.structure(state)


def test_groups_that_counted_their_own_steps_are_named_where_they_end(tmp_path):
    groups = gx.partition(("k", INNER), (None, LINEAR))
    _, found = moved(tmp_path, groups, LINEAR, state=run(groups, groups.init(PARAMS), steps=16)[1])
    assert "may be at another one: partition/accumulate/taken" in found.migration.notes["step"]


@pytest.mark.parametrize("placed", [True, False], ids=["placed", "plain"])
def test_a_checkpoint_is_read_where_a_mesh_with_explicit_axes_is_set(tmp_path, placed):
    mesh = jax.make_mesh((8,), ("x",), axis_types=(jax.sharding.AxisType.Explicit,))
    tx = gx.adamw(1e-3)
    with jax.set_mesh(mesh):
        params = {"w": jnp.ones((8, 4))}
        params = jax.device_put(params, jax.NamedSharding(mesh, jax.P("x"))) if placed else params
        training.save(tmp_path, step=1, tx=tx, params=params, state=tx.init(params))
        options = ({}, {"params": params}, {"params": params, "tx": tx}, {"params": params, "state": jax.eval_shape(tx.init, params)})
        for given in (*options, {"params": params, "tx": gx.adam(1e-3), "migrate": True}):
            found = training.restore(tmp_path, **given)
            np.testing.assert_array_equal(found.params["w"], 1)
            slots = [leaf for leaf in jax.tree.leaves(found.state) if leaf.ndim]
            assert not given or all(leaf.sharding.is_equivalent_to(params["w"].sharding, 2) for leaf in slots)
