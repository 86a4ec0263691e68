"""Sweeps: chunked, sharded, killed and resumed ones give what one vmap gives, compiled once for each structure."""

import contextlib
import inspect
import json
import os
import pathlib
import re
import resource
import signal
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh

import gradtx as gx
from gradtx import sweep as sw
from gradtx.sweep import _program, _progress
from tests.processes import last_lines, two_processes

ONE = Mesh(np.array(jax.devices()[:1]), ("members",))
RATES = [0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 1e30]
TARGET = jnp.array([1.0, -2.0, 0.5])


def train(tx, start=0.0):
    """The loss after 8 steps, and its course."""

    def step(carry, _):
        params, state = carry
        value, grads = jax.value_and_grad(lambda p: jnp.sum((p - TARGET) ** 2))(params)
        updates, state = tx.update(grads, state, params)
        return (gx.apply_updates(params, updates), state), value

    params = jnp.zeros(3) + start
    (params, _), curve = jax.lax.scan(step, (params, tx.init(params)), length=8)
    return {"loss": jnp.sum((params - TARGET) ** 2), "curve": curve}


def run(*args, **options):
    return sw.sweep(train, *args, **{"mesh": ONE, "progress": False, **options})


def same(a, b):
    return all(np.array_equal(a.curve(name), b.curve(name), equal_nan=True) for name in a.curves)


@contextlib.contextmanager
def compilations():
    events = []

    def listen(event, duration, **_):
        if event == "/jax/core/compile/backend_compile_duration":
            events.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield events
    jax.monitoring.unregister_event_duration_listener(listen)


MOMENTUM = sw.grid(lambda rate: gx.sgd(rate, gx.trace(0.9)), rate=RATES)


def test_a_batch_is_a_value_with_an_axis_of_members():
    batch = sw.stack([gx.adam(1e-3), gx.adam(1e-2, b1=0.5)])
    assert batch.learning_rate.shape == batch.eps.shape == (2,)
    assert np.allclose(batch.b1, [0.9, 0.5])
    keys = sw.stack([gx.add_noise(0.1, 0.5, jax.random.key(seed)) for seed in (1, 2)]).key
    assert jnp.array_equal(jax.random.key_data(keys), jax.random.key_data(jax.vmap(jax.random.key)(jnp.array([1, 2]))))


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (gx.lion(1e-3), "lion"),
        (gx.sgd(1e-3, gx.nesterov(gx.trace(0.9))), "momentum is .*trace.* in the one and nesterov"),
        (gx.sgd(gx.cosine_decay_schedule(1.0, 5), gx.trace(0.9)), "learning_rate is .* cosine_decay_schedule"),
        (gx.chain(gx.sgd(1e-3), gx.clip(1.0)), "chain"),
    ],
)
def test_an_error_names_what_keeps_optimizers_from_one_batch(other, named):
    with pytest.raises(ValueError, match=f"members 0 and 1 are of different structures: .*{named}"):
        sw.stack([gx.sgd(1e-3, gx.trace(0.9)), other])


def test_a_batch_needs_members_with_numbers():
    for nothing, named in (([], "no optimizers"), ([gx.sign()], "no numbers")):
        with pytest.raises(ValueError, match=named):
            sw.stack(nothing)
    with pytest.raises(TypeError, match="member 0 must be a transformation"):
        sw.stack([0.1])


def test_a_grid_has_every_combination():
    batch = sw.grid(gx.adamw, learning_rate=np.array([1e-3, 1e-2]), weight_decay=[0.0, 0.1, 0.2], b1=0.5)
    assert np.allclose(batch.learning_rate, np.repeat([1e-3, 1e-2], 3))
    assert np.allclose(batch.weight_decay, np.tile([0.0, 0.1, 0.2], 2))
    assert np.allclose(batch.b1, 0.5)
    with pytest.raises(ValueError, match="learning_rate must be"):
        sw.grid(gx.adamw, learning_rate=[1e-3, -1.0])
    with pytest.raises(ValueError, match="b1 has no values"):
        sw.grid(gx.adamw, learning_rate=1e-3, b1=[])


@pytest.mark.parametrize("points", [sw.independent, sw.sobol, sw.halton])
def test_a_sample_follows_its_distributions_and_its_key(points):
    def draw(key):
        arguments = {"learning_rate": sw.log_uniform(1e-5, 1e-1), "b1": sw.one_minus_log_uniform(0.9, 0.999)}
        return sw.sample(gx.adamw, key, 200, points=points, weight_decay=sw.uniform(1, 3), b2=sw.choice([0.9, 0.99]), **arguments)

    batch = draw(jax.random.key(3))
    assert batch == draw(3)
    assert batch != draw(4)
    shares = (
        np.log10(batch.learning_rate) / 4 + 5 / 4,
        (np.log10(1 - np.asarray(batch.b1, float)) + 1) / -2,
        (np.asarray(batch.weight_decay) - 1) / 2,
        (np.asarray(batch.b2) > 0.95) * 0.98 + 0.01,
    )
    for share in shares:  # each uniform: its mean within four standard errors of independent draws
        assert share.min() > -1e-4
        assert share.max() < 1 + 1e-4
        assert abs(share.mean() - 0.5) < 4 * 0.5 / 200**0.5


@pytest.mark.parametrize("tool", [sw.grid, sw.sample], ids=lambda tool: tool.__name__)
def test_examples_of_docstrings_run(tool):
    (block,) = re.findall(r"```python\n(.*?)```", inspect.cleandoc(tool.__doc__), re.DOTALL)
    exec(block, {})


def test_quasi_random_points_leave_smaller_gaps():
    gaps = {points: np.diff(np.sort(points(0, 64, 2)[:, 0])).max() for points in (sw.independent, sw.sobol, sw.halton)}
    assert max(gaps[sw.sobol], gaps[sw.halton]) < 2 / 64 < gaps[sw.independent]


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: sw.uniform(2, 1), "low must be below high"),
        (lambda: sw.log_uniform(0.0, 1.0), "low must be above 0"),
        (lambda: sw.one_minus_log_uniform(0.9, 1.0), "high must be below 1"),
        (lambda: sw.choice([]), "nothing to choose"),
        (lambda: sw.sample(gx.adam, 0, 4, learning_rate=0.1), "none of the arguments is a distribution"),
        (lambda: run([]), "there are no optimizers"),
        (lambda: run(MOMENTUM, sw.paired(jnp.zeros(3))), "start is paired with the optimizers and has 3 entries for 7"),
        (lambda: run(MOMENTUM, sw.crossed(jnp.zeros(()))), "leading axis"),
        (lambda: run(MOMENTUM, chunk=0), "chunk must be a whole number of at least 1, got 0"),
        *(
            (lambda chunk=chunk: run(MOMENTUM, chunk=chunk), f"chunk must be a whole number of at least 1, got {chunk!r}")
            for chunk in (2.5, "2", True)
        ),
        (lambda: run(MOMENTUM, sw.crossed([1, 2, 3])), r"A list is a tree of its items: write np.array\(\[...\]\)"),
        (lambda: run(MOMENTUM, sw.crossed(np.array(["a", "b"]))), "start has entries that are no numbers: .*'a'"),
        (lambda: run(MOMENTUM, mesh="members"), "mesh must be a jax.sharding.Mesh, got 'members'"),
        (
            lambda: sw.grid(gx.sgd(0.1), learning_rate=[0.1]),
            r"grid: give a function that returns an optimizer, .*got sgd\(learning_rate=0.1\)",
        ),
        (lambda: sw.sample("sgd", 0, 2, learning_rate=sw.uniform(0.0, 1.0)), "sample: give a function that returns an optimizer"),
        (lambda: run(MOMENTUM).top(-1, "loss"), "k must be a whole number of at least 0, got -1"),
        (lambda: run([MOMENTUM, jax.tree.map(lambda x: x[:0], MOMENTUM)]), r"optimizers\[1\] is a batch without members"),
        (lambda: run(MOMENTUM, mesh=Mesh(np.array(jax.devices()).reshape(4, 2), ("x", "y"))), "axes x, y; call the one"),
        (lambda: sw.sweep(lambda tx: {}, MOMENTUM, mesh=ONE), "returned nothing"),
        (lambda: sw.sweep(lambda tx: {"a": jnp.zeros(0)}, MOMENTUM, mesh=ONE), r"returned a of shape \(0,\), which has no numbers"),
        (lambda: sw.sweep(lambda tx: {"a": 1j}, MOMENTUM, mesh=ONE), "returned a of dtype complex64. Return real numbers"),
        (lambda: sw.sweep(lambda tx: {"a/b": 1.0, "a": {"b": 2.0}}, MOMENTUM, mesh=ONE), "two metrics that are called 'a/b'"),
    ],
)
def test_errors_teach(make, named):
    with pytest.raises((ValueError, TypeError), match=named):
        make()


@pytest.fixture(scope="module")
def whole():
    """The sweep of `MOMENTUM` in one chunk."""
    return run(MOMENTUM)


def test_a_sweep_is_train_under_vmap(whole):
    alone = jax.jit(jax.vmap(train))(MOMENTUM)
    assert np.array_equal(whole.curve("loss"), alone["loss"], equal_nan=True)
    assert np.array_equal(whole.curve("curve"), alone["curve"], equal_nan=True)


@pytest.mark.parametrize("chunk", [1, 3, 7, 100])
def test_chunked_is_unchunked(whole, chunk):
    assert same(run(MOMENTUM, chunk=chunk), whole)


@pytest.mark.parametrize(
    "mesh", [None, Mesh(np.array(jax.devices()).reshape(4, 2), ("members", "data"))], ids=["all devices", "an axis of a mesh"]
)
def test_sharded_is_unsharded(whole, mesh):
    assert jax.device_count() == 8
    assert same(run(MOMENTUM, mesh=mesh), whole)


def test_a_member_that_diverges_is_reported_and_harms_nobody(whole):
    assert whole.diverged.tolist() == [False] * 6 + [True]
    assert same(run(sw.grid(lambda rate: gx.sgd(rate, gx.trace(0.9)), rate=RATES[:6])), first(whole, 6))
    assert whole.best("loss").optimizer == gx.sgd(float(RATES[int(np.nanargmin(whole.curve("loss")))]), gx.trace(0.9))
    assert "diverged" in str(whole[6])
    with pytest.raises(ValueError, match="all 1 members diverged"):
        run(gx.sgd(1e30)).best("loss")


def first(results, count):
    """The metrics of the first members, in a form that `same` compares."""
    return type("First", (), {"curves": results.curves, "curve": lambda self, name: results.curve(name)[:count]})()


def test_structures_are_grouped_and_compiled_once_each():
    mixed = [gx.adam(0.1), sw.grid(gx.lion, learning_rate=[0.1, 0.2]), gx.adam(0.3), gx.sgd(0.1)]

    def fresh(tx):
        return train(tx)

    with compilations() as first_time:
        results = sw.sweep(fresh, mixed, mesh=ONE, progress=False)
    with compilations() as again:
        sw.sweep(fresh, [gx.adam(0.5), gx.lion(0.2), gx.lion(0.7), gx.adam(0.7), gx.sgd(1.0)], mesh=ONE, progress=False)
    assert (len(first_time), len(again)) == (3, 0)
    assert results.hyperparameters["optimizer"] == ["adam", "lion", "lion", "adam", "sgd"]
    assert results.hyperparameters["b2"][-1] is None
    each = (gx.adam(0.1), gx.lion(0.1), gx.lion(0.2), gx.adam(0.3), gx.sgd(0.1))
    for member, tx in zip(results, each, strict=True):
        assert member.optimizer == tx
        assert np.allclose(member.metrics["loss"], train(tx)["loss"], rtol=1e-5)


def test_256_configurations_of_a_network_on_digits_compile_once():
    from sklearn.datasets import load_digits

    images, labels = (jnp.asarray(x) for x in load_digits(return_X_y=True))
    data = (images[:300] / 16, labels[:300])

    def loss(params, images, labels):
        hidden = jnp.tanh(images @ params["hidden"])
        return -jnp.take_along_axis(jax.nn.log_softmax(hidden @ params["output"]), labels[:, None], axis=1).mean()

    def fit(tx, data):
        def step(carry, _):
            params, state = carry
            updates, state = tx.update(jax.grad(loss)(params, *data), state, params)
            return (gx.apply_updates(params, updates), state), None

        first, second = jax.random.split(jax.random.key(0))
        params = {"hidden": jax.random.normal(first, (64, 16)) / 8, "output": jax.random.normal(second, (16, 10)) / 4}
        (params, _), _ = jax.lax.scan(step, (params, tx.init(params)), length=12)
        return {"loss": loss(params, *data)}

    ranges = {"learning_rate": sw.log_uniform(1e-4, 1.0), "b1": sw.one_minus_log_uniform(0.5, 0.99)}
    batch = sw.sample(gx.adamw, 0, 256, points=sw.sobol, weight_decay=sw.log_uniform(1e-4, 1.0), **ranges)
    with compilations() as events:
        results = sw.sweep(fit, batch, data, mesh=ONE, progress=False, chunk=128)
    assert len(results) == 256
    assert len(events) == 1
    assert results.best("loss").metrics["loss"] < 1.0 < np.nanmedian(results.curve("loss"))


def test_other_arguments_are_paired_crossed_or_shared():
    starts = jnp.array([0.0, 1.0])
    crossed = run(sw.grid(gx.sgd, learning_rate=[0.1, 0.2, 0.3]), sw.crossed(starts))
    assert crossed.hyperparameters["start"] == [0.0, 1.0] * 3
    expected = [[train(gx.sgd(rate), start)["loss"] for start in starts] for rate in (0.1, 0.2, 0.3)]
    assert np.allclose(crossed.curve("loss").reshape(3, 2), expected, rtol=1e-5)
    paired = run([gx.sgd(0.1), gx.adam(0.1), gx.sgd(0.2)], sw.paired(jnp.arange(3.0)))
    assert np.allclose(paired.curve("loss"), [train(tx, k)["loss"] for k, tx in enumerate((gx.sgd(0.1), gx.adam(0.1), gx.sgd(0.2)))])
    assert paired[1].arguments == {"start": 1.0}
    assert np.allclose(run(gx.sgd(0.1), 2.0).curve("loss"), train(gx.sgd(0.1), 2.0)["loss"])


def test_numbers_of_a_grid_or_an_argument_may_be_arrays_and_ranges():
    rates = sw.grid(gx.sgd, learning_rate=jnp.array([0.25, 0.5], jnp.bfloat16))
    assert rates == sw.grid(gx.sgd, learning_rate=[0.25, 0.5])
    assert run(rates, sw.crossed(range(3))).hyperparameters["start"] == [0, 1, 2] * 2
    noisy = sw.grid(lambda fast: gx.sgd(0.5 if fast else 0.1), fast=np.array([True, False]))
    assert noisy == sw.grid(gx.sgd, learning_rate=[0.5, 0.1])


@pytest.mark.parametrize("kind", [jax.sharding.AxisType.Auto, jax.sharding.AxisType.Explicit], ids=["auto", "explicit"])
def test_a_mesh_that_is_set_spreads_the_members(whole, kind):
    mesh = jax.make_mesh((8,), ("x",), axis_types=(kind,))
    target = jax.device_put(jnp.zeros(8), jax.NamedSharding(mesh, jax.P("x")))

    def shifted(tx, target):
        return train(tx, jnp.sum(target))

    with jax.set_mesh(mesh):
        assert same(sw.sweep(train, MOMENTUM, progress=False), whole)
        assert same(sw.sweep(shifted, MOMENTUM, target, progress=False), whole)
        if kind == jax.sharding.AxisType.Explicit:
            with pytest.raises(TypeError, match=r"train reads an array from outside that is spread .* Give it as an argument"):
                sw.sweep(lambda tx: shifted(tx, target), MOMENTUM, progress=False)
        else:
            assert same(sw.sweep(lambda tx: shifted(tx, target), MOMENTUM, progress=False), whole)
        with pytest.raises(ValueError, match=r"and that of jax.set_mesh is .* Leave one of them out"):
            run(MOMENTUM)


def test_seeds_are_an_argument():
    keys = jax.random.split(jax.random.key(0), 3)
    results = sw.sweep(
        lambda tx, key: train(tx, jax.random.normal(key)), [gx.sgd(0.1), gx.sgd(0.2)], sw.crossed(keys), mesh=ONE, progress=False
    )
    assert results.hyperparameters["key"] == [0, 1, 2] * 2
    assert np.allclose(results[4].metrics["loss"], train(gx.sgd(0.2), jax.random.normal(keys[1]))["loss"], rtol=1e-5)
    assert results[4].arguments["key"] == keys[1]


def test_an_optimizer_without_numbers_is_a_member():
    results = run([gx.chain(gx.sign()), gx.chain(gx.sign())])
    assert results.curve("loss")[0] == results.curve("loss")[1]


def test_a_chunk_is_what_fits_the_memory(monkeypatch, whole):
    members = sw._members.plan(train, MOMENTUM, ())
    program = _program.program(train, members, members.groups[0], None)
    memory = program.compiled(7).memory_analysis()
    need = memory.temp_size_in_bytes + memory.argument_size_in_bytes + memory.output_size_in_bytes
    for room, chunk in ((need, 7), (0.7 * need, 4), (1, 1)):
        monkeypatch.setattr(_program, "device_room", lambda room=room: room)
        assert _program.fitting_chunk(program, 7) == chunk
    assert same(run(MOMENTUM), whole)


KILLED = """
import sys, time
import test_sweep
from gradtx import sweep

def slow(progress):
    print(progress.done, flush=True)
    time.sleep(0.3)

sweep.sweep(test_sweep.train, test_sweep.MOMENTUM, mesh=test_sweep.ONE, chunk=2, directory=sys.argv[1], progress=slow)
"""


def test_a_sweep_killed_by_the_system_goes_on_where_it_stopped(tmp_path, whole):
    path = [str(pathlib.Path(__file__).parent), str(pathlib.Path(gx.__file__).parents[1])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
    with subprocess.Popen([sys.executable, "-c", KILLED, tmp_path], stdout=subprocess.PIPE, env=environment, text=True) as process:
        assert [process.stdout.readline() for _ in range(2)] == ["2\n", "4\n"]
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    kept = {file: file.stat().st_mtime_ns for file in tmp_path.glob("*.npz")}
    assert len(kept) == 2
    (tmp_path / ".group-0-from-000004.npz.1").write_bytes(b"half a file of a process that was killed while it wrote")
    seen = []
    assert same(run(MOMENTUM, directory=tmp_path, progress=seen.append), whole)
    assert [progress.done for progress in seen] == [2, 4, 6, 7]
    assert {file: file.stat().st_mtime_ns for file in kept} == kept
    assert len(list(tmp_path.glob("*.npz"))) == 4


SHARED = """
import os
import pathlib
import signal
import test_sweep
from gradtx import sweep

seen = []

def watch(progress):
    seen.append(progress)
    if sys.argv[1:5:3] == ["1", "killed"]:
        test_sweep.until(lambda: any(pathlib.Path(sys.argv[3]).glob("*.npz")))  # the other may end with this one
        os.kill(os.getpid(), signal.SIGKILL)

for _ in range(2):
    results = sweep.sweep(test_sweep.train, test_sweep.MOMENTUM, chunk=4, directory=sys.argv[3], progress=watch)
print([progress.done for progress in seen], jax.device_count(), results.curve("loss").tolist())
"""


def until(holds, seconds=240):
    """Wait for what another process does."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"it did not happen in {seconds} s"
        time.sleep(0.01)


def test_two_processes_share_a_sweep_and_know_all_of_it_although_one_was_killed(tmp_path, whole):
    with two_processes(SHARED, str(tmp_path), "killed", devices=4) as (first, second):
        assert second.wait(timeout=240) == -signal.SIGKILL
        first.kill()
    (kept,) = tmp_path.glob("*.npz")
    written = kept.stat().st_mtime_ns
    with two_processes(SHARED, str(tmp_path), "whole", devices=4) as processes:
        outputs = last_lines(processes)
    assert outputs[0] == outputs[1]
    assert outputs[0].startswith("[4, 7, 4, 7] 8 [")
    losses = json.loads(outputs[0].split("] 8 ")[1].replace("nan", "NaN").replace("inf", "Infinity"))
    np.testing.assert_allclose(losses, whole.curve("loss"), rtol=1e-5)
    assert len(list(tmp_path.glob("*.npz"))) == 2
    assert kept.stat().st_mtime_ns == written


@pytest.fixture
def kept(tmp_path):
    """A finished sweep's directory."""
    run(MOMENTUM, directory=tmp_path, chunk=3)
    return tmp_path


def test_a_finished_sweep_is_read_without_compiling(kept, whole):
    assert same(run(MOMENTUM, directory=kept, chunk=3), whole)
    with compilations() as events:
        again = sw.sweep(lambda tx, start=0.0: train(tx, start), MOMENTUM, mesh=ONE, progress=False, directory=kept)
    assert not events
    assert same(again, whole)
    assert gx.from_spec(json.loads((kept / "sweep.json").read_text())["groups"][0]["optimizers"]) == MOMENTUM


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "of another sweep"])
def test_a_damaged_chunk_is_computed_again(kept, whole, damage):
    file = kept / "group-0-from-000003.npz"
    data = bytearray(file.read_bytes())
    if damage == "of another sweep":
        run(sw.grid(lambda rate: gx.sgd(rate, gx.trace(0.9)), rate=RATES[::-1]), directory=kept / "other", chunk=3)
        data = (kept / "other" / file.name).read_bytes()
    elif damage == "flipped":
        data[data.index(b"0.npy") + 180] ^= 4
    file.write_bytes(data if damage in ("of another sweep", "flipped") else data[: 150 if damage == "cut" else 0])
    with pytest.warns(UserWarning, match="group-0-from-000003.npz is (damaged|of another sweep)"):
        assert same(run(MOMENTUM, directory=kept), whole)
    assert same(run(MOMENTUM, directory=kept), whole)


def test_no_bit_of_a_chunk_can_flip_unnoticed(kept, whole):
    file = kept / "group-0-from-000003.npz"
    data = file.read_bytes()
    store = sw._store.Store(kept, json.loads((kept / "sweep.json").read_text())["content"], None)
    like = [jax.ShapeDtypeStruct((3, 8), jnp.float32), jax.ShapeDtypeStruct((3,), jnp.float32)]
    for k in np.random.default_rng(0).integers(len(data) * 8, size=300):
        flipped = bytearray(data)
        flipped[k // 8] ^= 1 << (k % 8)
        file.write_bytes(flipped)
        with contextlib.suppress(UserWarning):
            leaves = store.read(0, 3, like)
            assert np.array_equal(leaves[0], whole.curve("curve")[3:6])
            assert np.array_equal(leaves[1], whole.curve("loss")[3:6])


@pytest.mark.parametrize(
    ("sweep", "named"),
    [
        (
            lambda at: run(sw.grid(lambda rate: gx.sgd(rate, gx.trace(0.9)), rate=RATES[::-1]), directory=at),
            "what differs is the optimizers",
        ),
        (lambda at: run(MOMENTUM, 1.0, directory=at), "the other arguments"),
        (lambda at: sw.sweep(lambda tx: train(tx, 2.0), MOMENTUM, mesh=ONE, directory=at), "differs is the function or the data in it "),
        (lambda at: run(MOMENTUM, chunk=2, directory=at), "begun with chunk=3, got chunk=2"),
    ],
)
def test_another_sweep_is_refused(kept, sweep, named):
    with pytest.raises(ValueError, match=named):
        sweep(kept)


@pytest.mark.parametrize("chunks", [[0], "x", [3, 3], None, [1.5]])
def test_a_description_that_was_changed_is_an_error(kept, chunks):
    spec = json.loads((kept / "sweep.json").read_text())
    (kept / "sweep.json").write_text(json.dumps({**spec, "chunks": chunks}))
    with pytest.raises(ValueError, match=r"sweep.json cannot be read .*Delete it, or give another directory"):
        run(MOMENTUM, directory=kept)


def test_a_directory_that_takes_nothing_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="cannot be made or read: Not a directory"):
        run(MOMENTUM, directory=tmp_path / "file" / "sweep")
    (tmp_path / "sweep.json").write_text("{")
    with pytest.raises(ValueError, match="cannot be read"):
        run(MOMENTUM, directory=tmp_path)


def test_a_full_disk_is_an_error_and_the_sweep_goes_on_after(tmp_path, whole):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    def fill(progress):
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))

    try:
        with pytest.raises(OSError, match=r"cannot take group-0-from-000003\.npz; the chunks before it are safe"):
            run(MOMENTUM, directory=tmp_path, chunk=3, progress=fill)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["group-0-from-000000.npz", "sweep.json"]
    assert same(run(MOMENTUM, directory=tmp_path), whole)


def test_small_dtypes_are_kept(tmp_path):
    def small(tx):
        return {"loss": train(tx)["loss"].astype(jnp.bfloat16), "ok": train(tx)["loss"] < 1}

    results = [sw.sweep(small, MOMENTUM, mesh=ONE, progress=False, directory=tmp_path, chunk=4) for _ in range(2)]
    assert same(*results)
    assert results[1].curve("loss").dtype == jnp.bfloat16
    assert results[1].diverged.tolist() == [False] * 6 + [True]


def test_progress_says_how_far_it_is(whole):
    seen = []
    run(MOMENTUM, chunk=3, progress=seen.append)
    assert [(p.done, p.total, p.metric) for p in seen] == [(3, 7, "loss"), (6, 7, "loss"), (7, 7, "loss")]
    assert seen[-1].best == whole.best("loss").metrics["loss"]
    assert seen[0].seconds_left > 0
    assert str(seen[0]).startswith("3 of 7 members, best loss ")


@pytest.mark.parametrize("dtype", [jnp.int32, jnp.uint8, bool, jnp.bfloat16])
def test_progress_takes_metrics_of_every_dtype(dtype):
    seen = []
    found = sw.sweep(
        lambda tx: {"loss": (100 * tx.learning_rate).astype(dtype)},
        sw.grid(gx.sgd, learning_rate=RATES[:4]),
        mesh=ONE,
        progress=seen.append,
    )
    assert found.final("loss").dtype == dtype
    assert seen[-1].best == float(np.min(found.final("loss").astype(np.float64)))


def test_a_metric_that_is_called_like_a_hyperparameter_stands_beside_it(tmp_path):
    found = sw.sweep(lambda tx: {"learning_rate": 2 * tx.learning_rate, "member": 3}, sw.stack([gx.sgd(0.5)]), mesh=ONE, progress=False)
    (row,) = found.to_dicts()
    assert row == {"member": 0, "learning_rate": 0.5, "metrics/learning_rate": 1.0, "metrics/member": 3, "diverged": False}
    found.to_csv(tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text().splitlines()[0] == ",".join(row)


@pytest.mark.parametrize("library", [True, False], ids=["tqdm", "plain"])
def test_a_bar_shows_on_terminals(monkeypatch, library):
    import io

    terminal = io.StringIO()
    terminal.isatty = lambda: True
    if not library:
        monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    bar = _progress.Bar(7, terminal)
    bar(sw.Progress(3, 7, "loss", 0.25, 2.0))
    bar.close()
    assert "3" in terminal.getvalue()
    assert "best loss 0.25" in terminal.getvalue()
    quiet = io.StringIO()
    _progress.Bar(7, quiet)(sw.Progress(3, 7, "loss", 0.25, 2.0))
    assert not quiet.getvalue()


def test_results_are_a_value(whole, tmp_path):
    losses = whole.curve("loss")
    assert [member.index for member in whole.top(3, "loss")] == np.argsort(losses)[:3].tolist()
    assert whole.best("loss", largest=True).index == np.nanargmax(np.where(np.isfinite(losses), losses, np.nan))
    assert np.array_equal(whole.final("curve"), whole.curve("curve")[:, -1], equal_nan=True)
    rows = whole.to_dicts()
    expected = {"member": 2, "learning_rate": 0.1, "momentum/decay": 0.9, "diverged": False}
    assert rows[2] == {**expected, "curve": whole.curve("curve")[2].tolist(), "loss": losses[2].item()}
    frame = whole.to_pandas()
    assert frame.loc[2, "loss"] == losses[2]
    whole.to_csv(tmp_path / "a.csv")
    header, *lines = (tmp_path / "a.csv").read_text().splitlines()
    assert header == "member,learning_rate,momentum/decay,curve,loss,diverged"
    assert lines[2].split(",")[1] == "0.1"
    assert len(lines) == 7
    whole.to_json(tmp_path / "a.json")
    written = json.loads((tmp_path / "a.json").read_text())
    assert written[2] == rows[2]
    assert written[6]["loss"] is None
    with pytest.raises(KeyError, match=r"there is no metric 'los'; train returned curve, loss"):
        whole.best("los")


def colors_of(figure):
    """The picture as an array, and how many colours it has."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.unique(np.asarray(canvas.buffer_rgba()).reshape(-1, 4), axis=0)


def test_pictures_show_members_and_those_that_diverged():
    results = run(sw.grid(lambda rate, decay: gx.sgd(rate, gx.trace(decay)), rate=[0.01, 0.1, 1e30], decay=[0.0, 0.9]))
    (one, two) = sw.plot_hyperparameters(results, "loss").axes
    assert [one.get_xlabel(), two.get_xlabel(), one.get_xscale()] == ["learning_rate", "momentum/decay", "log"]
    assert [len(line.get_xdata()) for line in one.lines] == [4, 2, 2]
    assert np.allclose(one.lines[1].get_ydata(), np.median(results.curve("loss")[:4].reshape(2, 2), axis=1))
    curves = sw.plot_curves(results, "curve", "momentum/decay").axes[0]
    assert sum(line.get_marker() == "x" for line in curves.lines) == 2
    parallel = sw.plot_parallel(results, "loss").axes[0]
    assert sum(line.get_linestyle() == "--" for line in parallel.lines) == 2
    heat = sw.plot_heatmap(results, "learning_rate", "momentum/decay", "loss").axes[0]
    table = heat.images[0].get_array().filled(np.nan)
    assert np.array_equal(table.T.ravel(), np.where(results.diverged, np.nan, results.curve("loss")), equal_nan=True)
    assert len(heat.lines) == 2
    for draw in (sw.plot_parallel, sw.plot_hyperparameters):
        assert len(colors_of(draw(results, "loss"))) > 20
    with pytest.raises(KeyError, match="there is no hyperparameter 'rate'"):
        sw.plot_heatmap(results, "rate", "momentum/decay", "loss")
    with pytest.raises(ValueError, match="loss is no curve"):
        sw.plot_curves(results, "loss", "learning_rate")


@pytest.mark.parametrize(
    ("module", "call", "extra"),
    [
        ("matplotlib.figure", lambda results: sw.plot_parallel(results, "loss"), "plot"),
        ("pandas", lambda results: results.to_pandas(), "pandas"),
        ("scipy.stats", lambda _: sw.sobol(0, 4, 2), "sweep"),
    ],
)
def test_what_is_missing_is_named_with_its_extra(monkeypatch, whole, module, call, extra):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf"gradtx\[{extra}\]"):
        call(whole)


def test_an_argument_that_is_called_like_a_column_stands_beside_it():
    def named(tx, learning_rate, member, optimizer, diverged):
        return {"loss": tx.learning_rate + learning_rate + member + optimizer + diverged}

    others = (sw.paired(jnp.array([1.0, 2.0])) for _ in range(4))
    found = sw.sweep(named, sw.stack([gx.sgd(0.5), gx.sgd(0.25)]), *others, mesh=ONE, progress=False)
    names = ("learning_rate", "member", "optimizer", "diverged")
    expected = {"member": 1, "learning_rate": 0.25, **{f"arguments/{name}": 2.0 for name in names}, "loss": 8.25, "diverged": False}
    assert found.to_dicts()[1] == expected


def test_metrics_whose_names_meet_are_all_there():
    metrics = {"metrics": {"learning_rate": 1.0}, "learning_rate": 2.0}
    (row,) = sw.sweep(lambda tx: metrics, sw.stack([gx.sgd(0.5)]), mesh=ONE, progress=False).to_dicts()
    assert sorted(value for name, value in row.items() if "learning_rate" in name) == [0.5, 1.0, 2.0]


CHOSEN = """
import sys, jax, numpy as np
import gradtx as gx
from gradtx import sweep as sw

def chosen(path, leaf):
    return path == "b"

padding = [object() for _ in range(int(sys.argv[2]))]
many = sw.stack([gx.freeze(chosen, gx.sgd(rate)) for rate in (0.1, 0.2)])

def train(tx):
    params = {"a": 1.0, "b": 1.0}
    return {"moved": tx.update(params, tx.init(params), params)[0]["a"]}

found = sw.sweep(train, many, directory=sys.argv[1], progress=False, mesh=jax.sharding.Mesh(np.array(jax.devices()[:1]), ("members",)))
print(found.curve("moved").tolist())
"""


def test_optimizers_with_functions_in_them_are_known_to_another_process(tmp_path):
    code = [sys.executable, "-c", CHOSEN, str(tmp_path)]
    printed = [subprocess.run([*code, str(k)], capture_output=True, text=True, check=True).stdout for k in (0, 50_000)]
    assert printed[0] == printed[1] != ""


def test_a_chunk_in_the_place_of_another_is_computed_again(tmp_path):
    options = {"mesh": ONE, "chunk": 2, "directory": tmp_path, "progress": False}
    many = sw.grid(gx.sgd, learning_rate=[0.1, 0.2, 0.3, 0.4])
    expected = sw.sweep(train, many, **options).curve("loss")
    first, second = sorted(tmp_path.glob("group-*.npz"))
    first.write_bytes(second.read_bytes())
    with pytest.warns(UserWarning, match="or another chunk of it, and is computed again"):
        assert np.array_equal(sw.sweep(train, many, **options).curve("loss"), expected)


def test_numbers_of_eight_bits_diverge_and_are_kept(tmp_path):
    def narrow(tx):
        return {"small": jnp.where(tx.learning_rate > 0.15, jnp.nan, tx.learning_rate).astype(jnp.float8_e5m2)}

    for _ in range(2):  # computed, then read
        found = sw.sweep(narrow, sw.grid(gx.sgd, learning_rate=[0.1, 0.2]), mesh=ONE, directory=tmp_path, progress=False)
        assert found.diverged.tolist() == [False, True]
    assert found.curve("small").dtype == jnp.float8_e5m2


def test_whole_numbers_that_would_wrap_are_refused():
    with pytest.raises(ValueError, match="whole numbers that int32 does not hold, such as 1099511627776"):
        sw.sweep(lambda tx, s: {"loss": s}, sw.grid(gx.sgd, learning_rate=[0.1, 0.2]), sw.paired(np.array([2**40, 1])), progress=False)


def test_a_sweep_goes_on_with_another_number_of_devices(tmp_path):
    eight = jax.make_mesh((8,), ("members",))
    four = jax.make_mesh((4,), ("members",), devices=jax.devices()[:4])
    start = jnp.ones(())

    def go(**options):
        return sw.sweep(train, MOMENTUM, start, chunk=4, directory=tmp_path, progress=False, **options)

    with jax.set_mesh(eight):
        whole = go()
    (tmp_path / "group-0-from-000004.npz").unlink()
    with jax.set_mesh(four):
        assert np.allclose(go().curve("loss"), whole.curve("loss"), rtol=1e-5, equal_nan=True)
    start = jax.device_put(start, jax.NamedSharding(four, jax.P()))
    assert np.allclose(go(mesh=four).curve("loss"), whole.curve("loss"), rtol=1e-5, equal_nan=True)


def test_data_that_a_directory_cannot_hold_still_are_named(tmp_path):
    mesh = jax.make_mesh((8,), ("members",), axis_types=(jax.sharding.AxisType.Explicit,))
    start = jax.device_put(jnp.ones(()), jax.NamedSharding(mesh, jax.P()))
    with pytest.raises(TypeError, match=r"reads an array from outside .* Give it as an argument"):
        sw.sweep(lambda tx: train(tx, start), MOMENTUM, mesh=mesh, directory=tmp_path, progress=False)
