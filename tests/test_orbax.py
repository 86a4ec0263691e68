"""Checkpoints in Orbax's format, by the same two functions."""

import gc
import os
import re
import shutil
import subprocess
import sys
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradtx as gx
from gradtx import training
from gradtx.training import _checkpoint_orbax
from tests.processes import PATH, last_lines, two_processes
from tests.test_checkpoints import same

pytest.importorskip("orbax.checkpoint", reason="Orbax is an extra")
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def _reads_that_were_given_up():
    """Orbax closes its event loop with reads under way: what is left of them ends here, and not in another test."""
    yield
    gc.collect()


PARAMS = {"a/b": jnp.arange(64.0), "l": (jnp.ones(3, jnp.bfloat16),), "none": None}
EXTRA = {"key": jax.random.key(3), "f8": jnp.ones(3, jnp.float8_e4m3fn), "number": 3.0}
TX = gx.adam(1e-3)


def saved(directory, step, **about):
    return training.save(
        directory, step=step, tx=TX, params=PARAMS, state=TX.init(PARAMS), extra=EXTRA | {"at": step}, format="orbax", **about
    )


def test_what_was_saved_comes_back(tmp_path):
    for step in (1, 2, 3):
        saved(tmp_path, step, keep=2, wait=step == 3)
    found = training.restore(tmp_path, params=PARAMS, extra=EXTRA | {"at": 0})
    assert (found.step, found.tx, found.extra["at"]) == (3, TX, 3)
    assert same(found.params, PARAMS)
    assert same(found.state, TX.init(PARAMS))
    assert same(found.extra, EXTRA | {"at": 3})
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["step_0000000002.orbax", "step_0000000003.orbax"]
    assert training.restore(tmp_path, params=PARAMS, tx=gx.adamw(1e-3), migrate=True).migration.created == ()


def test_the_one_before_a_damaged_one_is_used(tmp_path):
    saved(tmp_path, 1)
    path = saved(tmp_path, 2)
    files = [file for file in path.rglob("*") if file.is_file() and file.parent.name == "d"]
    for file in files:
        os.truncate(file, file.stat().st_size // 2)
    with pytest.warns(UserWarning, match="Going on from step_0000000001"):
        assert training.restore(tmp_path, params=PARAMS).step == 1


def test_an_array_that_was_changed_is_seen(tmp_path):
    path = saved(tmp_path, 1)
    header = path / "header" / "metadata"
    text = header.read_text()
    assert "float8_e4m3fn" in text
    header.write_text(text.replace("float8_e4m3fn", "float8_e5m2__"))
    with pytest.raises(training.DamagedCheckpointError, match="header"):
        training.restore(path)


def test_without_orbax_the_error_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"gradtx\[orbax\]"):
        saved(tmp_path, 1)


def test_arrays_come_back_where_the_given_ones_lie(tmp_path):
    devices = jax.devices()
    sharding = jax.NamedSharding(jax.make_mesh((len(devices),), ("data",)), jax.P("data"))
    params = {"w": jax.device_put(jnp.arange(8.0 * len(devices)), sharding)}
    path = training.save(tmp_path / "one.orbax", params=params, format="orbax")
    like = {"w": jax.ShapeDtypeStruct(params["w"].shape, jnp.float32, sharding=sharding)}
    assert training.restore(path, params=like).params["w"].sharding == sharding


TOGETHER = """
import test_orbax

print(test_orbax.trained_together(sys.argv[3]))
"""


def spread(numbers):
    """An array over all devices of all processes."""
    sharding = jax.NamedSharding(jax.make_mesh((len(jax.devices()),), ("data",)), jax.P("data"))
    return jax.make_array_from_callback(numbers.shape, sharding, lambda index: numbers[index])


def start():
    return {"w": spread(np.arange(4096, dtype=np.float32).reshape(64, 64) / 4096)}


def beside():
    """Leaves of other kinds."""
    keys = jax.jit(lambda data: jax.random.wrap_key_data(data))(spread(np.arange(16, dtype=np.uint32).reshape(8, 2)))
    halves = spread(np.arange(8).astype(jnp.bfloat16))
    return {
        "keys": keys,
        "halves": halves,
        "none": None,
        "numbers": np.array([2**40 + 1]),
        "nothing": jnp.zeros((0, 3)),
        "no_keys": jax.random.split(jax.random.key(0), 3)[:0],
    }


@jax.jit
def step(params, state):
    updates, state = TX.update(params, state, params)
    return gx.apply_updates(params, updates), state


def places(tree):
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding), tree)


def trained_together(directory):
    """What comes of two checkpoints of a run that is spread over processes, and of one in a format that cannot hold it."""
    run, extra = (start(), jax.jit(TX.init)(start())), beside()
    try:
        training.save(directory, params=run[0], step=1)
    except ValueError as error:
        refused = "params/w is spread over several processes" in str(error)
    for _ in range(2):
        run = step(*run)
        training.save(directory, tx=TX, params=run[0], state=run[1], extra=extra, format="orbax")
    found = training.restore(directory, params=places(run[0]), state=places(run[1]), extra=extra)
    again = found.params, found.state
    kept = [jax.random.key_data(one["keys"]) for one in (extra, found.extra)], [one["halves"] for one in (extra, found.extra)]
    return jax.process_count(), found.step, refused, *(_same_parts(*each) for each in ((run, again), (step(*run), step(*again)), *kept))


def _same_parts(one, other):
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return all(
        a.sharding.is_equivalent_to(b.sharding, a.ndim)
        and all(np.array_equal(x.data, y.data) for x, y in zip(a.addressable_shards, b.addressable_shards, strict=True))
        for a, b in pairs
    )


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """Steps 1 and 2, saved by two processes."""
    directory = tmp_path_factory.mktemp("together")
    with two_processes(TOGETHER, str(directory), devices=2) as processes:
        assert last_lines(processes) == ["(2, 2, True, True, True, True, True)"] * 2
    return directory


@pytest.fixture
def copied(together, tmp_path):
    return shutil.copytree(together, tmp_path / "copied")


def test_two_processes_write_one_checkpoint_and_any_number_go_on_from_it(together):
    params = start()
    found = training.restore(together, params=params, extra=beside())
    expected = step(*step(params, TX.init(params)))
    for kept, computed in zip(jax.tree.leaves((found.params, found.state)), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(kept, computed, rtol=1e-5)
    assert found.params["w"].sharding == params["w"].sharding
    assert same(found.extra, beside())
    moved = training.restore(together, params=params, tx=gx.adamw(1e-3), migrate=True)
    assert same(moved.state["adamw"]["scale_by_momentum"], found.state["adam"]["scale_by_momentum"])


def data_files(directory, step):
    files = (directory / f"step_{step:010d}.orbax" / "arrays").rglob("*")
    return [file for file in files if file.is_file() and file.parent.name == "d" and file.stat().st_size > 4096]


def test_a_flipped_bit_of_a_spread_array_is_seen(copied):
    rng = np.random.default_rng(0)
    assert data_files(copied, 2)
    for _ in range(4):
        for file in data_files(copied, 2):
            data = bytearray(file.read_bytes())
            data[rng.integers(len(data) // 4, len(data))] ^= 1 << rng.integers(8)
            file.write_bytes(data)
        with pytest.warns(UserWarning, match="Going on from step_0000000001"):
            assert training.restore(copied, params=start()).step == 1


def test_a_cut_file_of_a_spread_array_is_seen(copied):
    for file in data_files(copied, 2):
        os.truncate(file, 1000)
    with pytest.warns(UserWarning, match="Going on from step_0000000001"):
        assert training.restore(copied, params=start()).step == 1
    with pytest.raises(training.DamagedCheckpointError, match=r"no checkpoint of step 2 in .* is whole"):
        training.restore(copied, step=2)


@pytest.mark.parametrize("dtype", [np.float64, np.int64])
def test_wide_numbers_of_a_spread_array_are_not_narrowed_in_silence(dtype):
    kept = {"0": types.SimpleNamespace(shape=(2,), dtype=np.dtype(dtype))}
    with pytest.raises(TypeError, match=f"params/w was saved in {dtype.__name__}, which JAX would narrow here"):
        _checkpoint_orbax._targets(kept, [{"name": "params/w", "sum": ""}], {})
    with jax.enable_x64(True):
        assert _checkpoint_orbax._targets(kept, [{"name": "params/w", "sum": ""}], {})["0"].dtype == dtype


READING = """
import test_orbax

print(test_orbax.read_together(sys.argv[3]))
"""


def read_together(directory):
    """The step that is restored, or the error."""
    try:
        return training.restore(directory, params=places(start())).step
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def test_several_processes_take_no_other_checkpoint_each_by_itself(copied):
    for file in data_files(copied, 2):
        os.truncate(file, 1000)
    with two_processes(READING, str(copied), devices=2) as processes:
        for k, said in enumerate(last_lines(processes)):
            assert re.match(
                rf"OneProcessError: restore: process {k} cannot read its part of .*step_0000000002.orbax, .*restore\(..., step=...\)", said
            )


@pytest.mark.parametrize(
    ("like", "says"),
    [
        (jax.ShapeDtypeStruct((64, 32), jnp.float32), r"params/w is float32 \(64, 64\), where"),
        (jax.ShapeDtypeStruct((64, 64), jnp.bfloat16), "params/w is float32"),
        (jax.ShapeDtypeStruct((64, 64, 1), jnp.float32), "params/w is float32"),
    ],
)
def test_other_shapes_and_dtypes_are_no_damage(together, like, says):
    with pytest.raises(training.MismatchedCheckpointError, match=says):
        training.restore(together, params={"w": like})


def test_a_sharding_that_does_not_divide_is_no_damage(together):
    sharding = jax.NamedSharding(jax.sharding.Mesh(np.array(jax.devices()[:3]), ("data",)), jax.P("data"))
    with pytest.raises(training.MismatchedCheckpointError, match=r"params/w of shape .* cannot lie in"):
        training.restore(together, params={"w": jax.ShapeDtypeStruct((64, 64), jnp.float32, sharding=sharding)})


def test_the_one_of_before_is_there_until_the_new_one_is_whole(tmp_path, monkeypatch):
    path = tmp_path / "latest.orbax"
    training.save(path, params={"w": jnp.zeros(3)}, format="orbax")
    with monkeypatch.context() as patched:
        patched.setattr(_checkpoint_orbax, "_swap", lambda path: None)  # as if it were killed before
        training.save(path, params={"w": jnp.ones(3)}, format="orbax")
    assert same(training.restore(path).params, {"w": jnp.zeros(3)})
    path.rename(path.with_name(".latest.orbax.old"))  # as if it were killed between the two names
    assert same(training.restore(path).params, {"w": jnp.zeros(3)})
    training.save(path, params={"w": jnp.ones(3)}, format="orbax")
    assert same(training.restore(path).params, {"w": jnp.ones(3)})


FULL = """
import resource, signal, sys
import jax.numpy as jnp
from gradtx import training
from gradtx.training import _checkpoint_orbax

training.save(sys.argv[1], params={"w": jnp.zeros(3)}, step=1, format="orbax")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))
try:
    training.save(sys.argv[1], params={"w": jnp.arange(100_000.0)}, step=2, format="orbax")
except OSError as error:
    print("those before it are as they were" in str(error), training.restore(sys.argv[1]).step)
"""


def test_a_full_disk_is_told_as_such(tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(PATH)}
    ran = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], env=environment, capture_output=True, text=True, check=False)
    assert ran.stdout.splitlines()[-1:] == ["True 1"], ran.stderr
    saved(tmp_path, 3)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["step_0000000001.orbax", "step_0000000003.orbax"]


def test_after_a_damaged_one_training_saves_again(tmp_path):
    saved(tmp_path, 1)
    (saved(tmp_path, 9) / "header" / "metadata").unlink()
    with pytest.warns(UserWarning, match="Going on from step_0000000001"):
        assert training.restore(tmp_path, params=PARAMS).step == 1
    saved(tmp_path, 2)


def test_one_step_is_in_one_format(tmp_path):
    training.save(tmp_path, params={"w": jnp.zeros(3)}, step=5, format="orbax")
    training.save(tmp_path, params={"w": jnp.ones(3)}, step=5)
    assert same(training.restore(tmp_path).params, {"w": jnp.ones(3)})
    training.save(tmp_path, params={"w": jnp.zeros(3)}, step=5, format="orbax")
    assert same(training.restore(tmp_path).params, {"w": jnp.zeros(3)})


def test_one_that_is_not_there_is_not_damaged(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.orbax"):
        training.restore(tmp_path / "none.orbax")
