"""The loop: data in every form, records, evaluation, stopping, and going on after an interruption."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradtx as gx
from gradtx import training

X = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
BATCH = {"x": X, "y": (X @ np.array([1.0, -2.0, 0.5], np.float32)).astype(np.float32)}
ADAM = gx.adam(0.05)
START = {"w": jnp.zeros(3)}


def loss(params, batch, *, key):
    """With noise, so that the keys matter."""
    return jnp.mean((batch["x"] @ params["w"] - batch["y"] + 0.01 * jax.random.normal(key, batch["y"].shape)) ** 2)


def run(tx=ADAM, data=BATCH, function=loss, **options):
    options = {"batch_size": 6, **options} if isinstance(data, dict) else options
    return training.fit(function, tx, START, data, **options)


def same(first, second):
    jax.tree.map(np.testing.assert_array_equal, (first.params, first.state), (second.params, second.state))
    assert first.history.to_dicts() == second.history.to_dicts()


def test_it_trains_keeps_records_and_leaves_the_parameters_given():
    fitted = run(epochs=30, key=1)
    assert fitted.step == 90
    assert fitted.history.steps("value").tolist() == list(range(1, 91))
    assert fitted.history["value"][-1] < 0.1 * fitted.history["value"][0]
    np.testing.assert_array_equal(START["w"], 0)
    assert run(epochs=30, key=1).history == fitted.history
    assert run(epochs=30, key=2).history != fitted.history


def test_every_epoch_sees_each_row_at_most_once_in_an_order_of_its_own():
    seen = []

    def spy(params, batch):
        jax.debug.callback(lambda rows: seen.append(rows.tolist()), batch["row"], ordered=True)
        return jnp.sum(params["w"] ** 2)

    training.fit(spy, ADAM, START, {"row": np.arange(20)}, epochs=2, batch_size=6)
    jax.effects_barrier()
    first, second = np.concatenate(seen[:3]).tolist(), np.concatenate(seen[3:]).tolist()
    assert len(set(first)) == len(set(second)) == 18
    assert first != second


def test_data_may_be_batches_or_a_function_of_the_step():
    parts = [jax.tree.map(lambda leaf: leaf[k : k + 5], BATCH) for k in range(0, 20, 5)]  # noqa: B023
    listed = run(data=parts, epochs=2)
    assert listed.step == 8
    same(run(data=lambda k: parts[k % 4], steps=8), listed)
    same(run(data=parts, steps=8), listed)
    with pytest.warns(UserWarning, match="the data ended after 4 of 100 steps"):
        assert run(data=iter(parts), steps=100).step == 4
    assert run(data=(part for part in parts)).step == 4


class Interrupted(Exception):
    """The power fails."""


class Memory:
    """Checkpoints in memory, copied as a file would be; after `fail_at` of them the power fails."""

    def __init__(self, fail_at=None):
        self.last, self.fail_at, self.count = None, fail_at, 0

    def save(self, checkpoint):
        self.last = jax.tree.map(lambda leaf: np.array(leaf), checkpoint)
        self.count += 1
        if self.count == self.fail_at:
            raise Interrupted

    def restore(self, like):
        found = self.last and {**self.last, "history": {}}
        assert found is None or jax.tree.structure(found) == jax.tree.structure(like)
        return self.last


@pytest.mark.parametrize("data", [BATCH, [BATCH] * 3, lambda k: BATCH], ids=["arrays", "list", "function"])
def test_no_steps_are_none(data):
    fitted = run(data=data, steps=0)
    assert (fitted.step, len(fitted.history)) == (0, 0)
    if not callable(data):
        assert run(data=data, epochs=0).step == 0


def test_a_directory_of_a_longer_run_is_an_error(tmp_path):
    run(steps=3, directory=tmp_path)
    with pytest.raises(ValueError, match="the last checkpoint is of step 3, and this run ends at step 2"):
        run(steps=2, directory=tmp_path)


@pytest.mark.parametrize(("name", "value"), [("key", 7), ("batch_size", 4)])
def test_other_batches_than_those_of_the_run_are_refused(tmp_path, name, value):
    begun = {"key": 5, "batch_size": 5}
    run(**begun, steps=3, directory=tmp_path)
    with pytest.raises(ValueError, match=f"began with {name}=.*, and cannot go on with {name}="):
        run(**{**begun, name: value}, steps=6, directory=tmp_path)
    assert run(**begun, steps=6, directory=tmp_path).step == 6


def test_a_history_of_nan_equals_itself():
    nan = training.History(({"step": 1, "value": float("nan")},))
    assert nan == training.History(({"step": 1, "value": float("nan")},))
    assert nan != training.History(({"step": 1, "value": 0.0},))


@pytest.mark.parametrize("source", ["arrays", "list", "function"])
@pytest.mark.parametrize("fail_at", [1, 3])
def test_an_interrupted_run_goes_on_to_the_same_bits(source, fail_at):
    parts = [jax.tree.map(lambda leaf: leaf[k : k + 5], BATCH) for k in range(0, 20, 5)]  # noqa: B023
    data = {"arrays": BATCH, "list": parts, "function": lambda k: parts[(3 * k) % 4]}[source]
    step = training.make_step(loss, compute_dtype=jnp.float16, loss_scale=training.dynamic_loss_scale(2.0**18, every=4))
    tx = gx.chain(gx.add_noise(0.01, 0.5, 0), gx.schedule_free_adamw(gx.linear_schedule(0.1, 0.01, 20)))
    options = {"function": step, "tx": tx, "data": data, "steps": 23, "every": 3, "key": 5}
    options |= {"evaluate": lambda params: jnp.sum(params["w"] ** 2)}
    whole = run(**options)
    memory = Memory(fail_at)
    with pytest.raises(Interrupted):
        run(**options, save=memory.save, save_every=5, restore=memory.restore)
    assert int(memory.last["step"]) == 5 * fail_at
    same(run(**options, save=memory.save, save_every=5, restore=memory.restore), whole)
    assert int(memory.last["step"]) == 23
    same(run(**options, restore=memory.restore), whole)


def test_a_directory_keeps_what_a_killed_run_needs(tmp_path):
    def fall(snapshot):
        if snapshot.step == 14:
            raise Interrupted

    step = training.make_step(loss, compute_dtype=jnp.float16, loss_scale=training.dynamic_loss_scale(2.0**18, every=4))
    options = {"function": step, "steps": 23, "every": 2, "save_every": 5, "evaluate": lambda params: {"first": params["w"][0]}}
    whole = run(**options)
    with pytest.raises(Interrupted):
        run(**options, callbacks=[fall], directory=tmp_path)
    assert training.restore(tmp_path).step == 10
    same(run(**options, directory=tmp_path), whole)
    same(run(**options, directory=tmp_path), whole)
    (last,) = [path for path in tmp_path.iterdir() if "23" in path.name]
    last.write_bytes(last.read_bytes()[:-100])
    with pytest.warns(UserWarning, match="is whole"):
        same(run(**options, directory=tmp_path), whole)
    with pytest.raises(training.MismatchedCheckpointError, match="another optimizer"):
        run(**options, tx=gx.sgd(0.1), directory=tmp_path)


def test_a_stopped_run_stays_stopped():
    memory = Memory()
    options = {"steps": 200, "every": 1, "stop": training.early_stop("value", 3), "save": memory.save, "restore": memory.restore}
    first = run(**options)
    assert first.stopped
    assert first.step < 200
    same(run(**options), first)


def test_early_stop_counts_records_without_improvement():
    def history(*numbers):
        return training.History(tuple({"step": k, "loss": number} for k, number in enumerate(numbers)))

    stop = training.early_stop("loss", 2, least=0.1)
    assert not stop(history(1.0, 0.5, 0.45))
    assert stop(history(1.0, 0.5, 0.45, 0.42))
    assert stop(history(1.0, np.nan, np.inf))
    assert not stop(history(1.0, np.nan, 0.5))
    assert training.early_stop("loss", 1, larger=True)(history(1.0, 0.5))
    with pytest.raises(KeyError, match=r"no 'accuracy'\. It has: loss"):
        training.early_stop("accuracy", 1)(history(1.0))


def test_evaluation_is_at_the_parameters_to_evaluate_at():
    tx = gx.uniform_average(ADAM)
    fitted = run(tx=tx, steps=10, every=5, evaluate=lambda params: {"first": params["w"][0]})
    np.testing.assert_array_equal(fitted.history["evaluation/first"][-1], fitted.eval_params["w"][0])
    assert not np.array_equal(fitted.eval_params["w"], fitted.params["w"])
    assert fitted.history.steps("evaluation/first").tolist() == [5, 10]


def test_model_state_reaches_the_evaluation():
    def counting(params, batch, *, model_state):
        return jnp.sum(params["w"] ** 2), {"batches": model_state["batches"] + 1}

    fitted = run(
        function=counting,
        steps=4,
        every=2,
        model_state={"batches": jnp.zeros(())},
        evaluate=lambda params, model_state: model_state["batches"],
    )
    assert fitted.history["evaluation"].tolist() == [2, 4]


def test_observations_and_callbacks():
    snapshots = []
    tx = gx.chain(gx.observe("norm", gx.gradient_norm), ADAM)
    fitted = run(tx=tx, steps=7, every=3, callbacks=[lambda snapshot: snapshots.append((snapshot.step, snapshot.history["norm"][-1]))])
    assert snapshots == list(zip([3, 6, 7], fitted.history["norm"].tolist(), strict=True))


def test_the_bar_says_where_it_is_and_what_is_missing(capsys, monkeypatch):
    run(steps=4, progress=True)
    shown = capsys.readouterr().err
    assert "4/4" in shown
    assert "value=" in shown
    run(steps=4)
    assert capsys.readouterr().err == ""
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    run(steps=1)
    with pytest.raises(ImportError, match=r"gradtx\[progress\]"):
        run(steps=1, progress=True)


def test_a_history_draws_its_curves():
    import matplotlib

    matplotlib.use("agg")
    fitted = run(steps=5, evaluate=lambda params: params["w"][0])
    axes = fitted.history.plot("value", "evaluation")
    for line, name in zip(axes.get_lines(), ("value", "evaluation"), strict=True):
        np.testing.assert_array_equal(line.get_ydata(), fitted.history[name])
    matplotlib.pyplot.close(axes.figure)


@pytest.mark.parametrize(
    ("error", "message", "options"),
    [
        (ValueError, "steps or epochs, not both", {"steps": 1, "epochs": 1}),
        (ValueError, "say how long to train", {}),
        (ValueError, "steps must be a whole number of at least 0, got -1", {"steps": -1}),
        (ValueError, "epochs must be a whole number of at least 0, got 1.5", {"epochs": 1.5}),
        (ValueError, "every must be a whole number of at least 1, got 0", {"steps": 1, "every": 0}),
        (TypeError, "fit: key must be a random key or an integer seed", {"steps": 1, "key": 0.5}),
        (ValueError, "its own save and restore", {"steps": 1, "directory": "somewhere", "save": print}),
        (ValueError, "between 1 and the 20 examples of data, got 21", {"steps": 1, "batch_size": 21}),
        (TypeError, "dict without batch_size", {"steps": 1, "batch_size": None}),
        (ValueError, "it has no epochs", {"data": lambda k: BATCH, "epochs": 1}),
        (ValueError, "arrays of equal length", {"data": {"x": X, "y": X[:3]}, "steps": 1}),
        (TypeError, "a scalar or a dict of scalars", {"steps": 1, "evaluate": lambda params: params["w"]}),
        (TypeError, "a scalar or a dict of scalars", {"steps": 1, "evaluate": lambda params: "good"}),
        (TypeError, "evaluate asks for model_state, and there is none", {"steps": 1, "evaluate": lambda params, model_state: 0.0}),
        (TypeError, "evaluate must be a function, got 3", {"steps": 1, "evaluate": 3}),
        (TypeError, "stop must be a function, got 5", {"steps": 1, "stop": 5}),
        (TypeError, "callbacks must be a list of functions", {"steps": 1, "callbacks": print}),
        (TypeError, "callbacks must be a list of functions", {"steps": 1, "callbacks": [3]}),
        (ValueError, "Two of the metrics are called evaluation/a/b", {"steps": 1, "evaluate": lambda p: {"a/b": 1.0, "a": {"b": 2.0}}}),
    ],
)
def test_errors_teach(error, message, options):
    with pytest.raises(error, match=message):
        run(**options)


def test_what_save_was_given_stays_and_what_restore_returned_does():
    """The next step overwrites parameters and state: its own."""
    kept = []
    run(steps=12, every=5, save_every=5, save=kept.append)
    assert [int(one["step"]) for one in kept] == [5, 10, 12]
    for _ in range(2):
        again = run(steps=12, every=5, restore=lambda like: kept[0])
        np.testing.assert_array_equal(again.params["w"], kept[-1]["params"]["w"])
    assert not np.array_equal(kept[0]["params"]["w"], kept[-1]["params"]["w"])


def test_a_run_over_batches_that_end_keeps_its_last_record(tmp_path):
    batches = [BATCH] * 12
    options = {"batch_size": None, "every": 5, "save_every": 4}
    whole = run(data=iter(batches), directory=tmp_path, **options)
    assert [record["step"] for record in whole.history.records] == [5, 10, 12]
    again = run(data=iter(batches), directory=tmp_path, **options)
    assert again.history == whole.history


@pytest.mark.parametrize("fail_at", [1, 2, 3])
def test_no_checkpoint_of_the_last_step_lacks_its_record(fail_at):
    """Where only the end of the data tells which step is the last, and a checkpoint is due there."""
    options = {"batch_size": None, "every": 5, "save_every": 4}
    whole = run(data=iter([BATCH] * 12), **options)
    memory = Memory(fail_at)
    with pytest.raises(Interrupted):
        run(data=iter([BATCH] * 12), save=memory.save, restore=memory.restore, **options)
    same(run(data=iter([BATCH] * 12), save=memory.save, restore=memory.restore, **options), whole)


def test_what_the_data_raise_comes_behind_the_checkpoint_of_the_step_before():
    def broken():
        yield from [BATCH] * 4
        raise OSError("the disk is gone")

    memory = Memory()
    with pytest.raises(OSError, match="the disk is gone"):
        run(data=broken(), every=5, save_every=4, save=memory.save)
    assert int(memory.last["step"]) == 4


def test_a_run_that_stops_takes_no_further_batch():
    batches = iter([BATCH] * 10)
    assert run(data=batches, every=2, stop=lambda history: len(history) == 3).step == 6
    assert len(list(batches)) == 4


def test_other_data_than_those_of_the_run_are_refused(tmp_path):
    run(steps=3, batch_size=5, directory=tmp_path)
    fewer = jax.tree.map(lambda rows: rows[:10], BATCH)
    with pytest.raises(ValueError, match="began with examples=20, and cannot go on with examples=10"):
        run(steps=6, batch_size=5, data=fewer, directory=tmp_path)


def test_a_directory_that_fit_did_not_write_is_an_error(tmp_path):
    training.save(tmp_path, step=1, tx=ADAM, params=START, state=ADAM.init(START), extra={"history": "mine"})
    with pytest.raises(ValueError, match="was not written by fit"):
        run(steps=3, directory=tmp_path)


def test_observations_called_like_a_field_of_a_record_stand_beside_it():
    watched = (gx.observe(name, lambda *seen: jnp.float32(42)) for name in ("value", "step", "loudness"))
    found = run(gx.chain(*watched, gx.sgd(0.1)), steps=4, every=2).history
    assert [record["step"] for record in found.records] == [2, 4]
    assert found["value"][0] != 42
    assert all(found[name][-1] == 42 for name in ("observations/value", "observations/step", "loudness"))


def test_a_checkpoint_that_went_does_not_begin_a_run_anew(tmp_path):
    expected = run(steps=8, save_every=2, directory=tmp_path / "whole")
    run(steps=6, save_every=2, directory=tmp_path / "cut")
    (tmp_path / "cut/step_0000000006.npz").unlink()
    (tmp_path / "cut/step_0000000006.npz").symlink_to(tmp_path / "nowhere")
    with pytest.warns(UserWarning, match="Going on from step_0000000004.npz"):
        same(run(steps=8, save_every=2, directory=tmp_path / "cut"), expected)
