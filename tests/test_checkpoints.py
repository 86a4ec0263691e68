"""Checkpoints: what is saved comes back bit by bit, damage is seen, and a kill at any moment leaves the ones before."""

import collections
import concurrent.futures
import datetime
import enum
import errno
import json
import os
import subprocess
import sys
import warnings
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import gradtx as gx
from gradtx import sweep, training

PARAMS = {"layers": [{"w": jnp.arange(6.0).reshape(2, 3), "b": jnp.ones(3, jnp.bfloat16)}], "head": (jnp.ones(2),), "none": None}
TX = gx.adam(1e-3)


def grown(tx, params=PARAMS, steps=2):
    state = tx.init(params)
    for k in range(steps):
        grads = jax.tree.map(lambda p, k=k: (p + k).astype(p.dtype), params)
        _, state = tx.update(grads, state, params)
    return state


@pytest.fixture(scope="module")
def state():
    return grown(TX)


def same(one, other):
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for (path, a), b in zip(jax.tree_util.tree_leaves_with_path(one), jax.tree.leaves(other), strict=True):
        assert type(a) is type(b) or isinstance(a, jax.Array) == isinstance(b, jax.Array), path
        if hasattr(a, "dtype") and jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
            a, b = jax.random.key_data(a), jax.random.key_data(b)
        assert getattr(a, "dtype", None) == getattr(b, "dtype", None), path
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes() if hasattr(a, "dtype") else a == b, path
    return True


def test_what_was_saved_comes_back(tmp_path, state):
    path = training.save(tmp_path, tx=TX, params=PARAMS, state=state)
    assert path == tmp_path / "step_0000000002.npz"
    found = training.restore(tmp_path, params=PARAMS)
    assert (found.path, found.step, found.tx, found.damaged, found.extra) == (path, 2, TX, (), None)
    assert same(found.params, PARAMS)
    assert same(found.state, state)
    abstract = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), PARAMS)
    assert same(training.restore(tmp_path, params=abstract, tx=gx.adam(3e-4)).state, state)


DTYPES = ["bfloat16", "float16", "float8_e4m3fn", "float8_e5m2", "int4", "uint2", "int8", "bool", "complex64", "uint32"]


def test_every_kind_of_leaf_comes_back_without_being_described(tmp_path):
    tree = {
        "dtypes": {name: jnp.array([0, 1, 1]).astype(name) for name in DTYPES},
        "nan": jnp.array([jnp.nan, -jnp.inf, -0.0]),
        "key": jax.random.key(3),
        "keys": jax.random.split(jax.random.key(1, impl="rbg"), 2),
        "numpy": np.arange(3.0),
        "big end": np.arange(3, dtype=">f4"),
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "empty": jnp.zeros((0, 3)),
        "scalar": jnp.float32(2),
        "values": [None, True, 3, 10**30, 0.1, float("inf"), 1 + 2j, "text\n'", b"\xff'", [], {}],
        "long" * 20_000: jnp.ones(1),
        "long" * 20_000 + "er": jnp.zeros(1),
        "integers": {3: "an integer for a key"},
        "a/b": jnp.ones(1),
        "a": {"b": jnp.zeros(1)},
        "A": {"B": jnp.full(1, 2.0)},
    }
    found = training.restore(training.save(tmp_path / "all.npz", extra=tree)).extra
    tree["big end"] = tree["big end"].astype("<f4")
    assert same(found, tree)


def test_the_file_is_plain_arrays_by_path_and_a_header(tmp_path, state):
    path = training.save(tmp_path / "one.npz", tx=TX, params=PARAMS, state=state)
    with np.load(path, allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["params/layers/0/w"], PARAMS["layers"][0]["w"])
        assert arrays["params/layers/0/b"].dtype == np.uint16
        header = json.loads(arrays["header"].tobytes())
    assert header["version"] == 1
    assert gx.from_spec(header["about"]["spec"]) == TX
    assert all(len(leaf["sha256"]) == 64 for leaf in header["leaves"] if "member" in leaf)


def test_equal_checkpoints_are_equal_files(tmp_path):
    one, other = (training.save(tmp_path / f"{k}.npz", params=PARAMS) for k in range(2))
    assert one.read_bytes() == other.read_bytes()


def test_functions_come_from_the_tree_that_is_given(tmp_path):
    path = training.save(tmp_path / "one.npz", params={"f": jnp.tanh, "w": jnp.ones(2)})
    assert training.restore(path, params={"f": jnp.tanh, "w": jnp.zeros(2)}).params["f"] is jnp.tanh
    assert training.restore(path).params["f"] is None


def test_a_batch_of_optimizers_comes_back(tmp_path):
    """Each with its own learning rate, or one optimizer with several seeds."""
    params, rates = {"w": jnp.arange(6.0).reshape(3, 2)}, [1e-1, 1e-2, 1e-3]
    batch, other = (sweep.grid(factory, learning_rate=rates) for factory in (gx.adam, gx.adamw))
    for tx, after, axis in ((batch, other, 0), (TX, gx.adamw(1e-3), None)):
        state = jax.vmap(lambda tx, params: tx.init(params), in_axes=(axis, 0))(tx, params)
        state = jax.tree.map(lambda leaf: jnp.arange(1, leaf.size + 1, dtype=leaf.dtype).reshape(leaf.shape), state) | {
            "step": state["step"] + 2
        }
        path = training.save(tmp_path, tx=tx, params=params, state=state)
        assert path.name == "step_0000000002.npz"
        found = training.restore(tmp_path, params=params)
        assert found.tx == tx
        assert same(found.state, state)
        moved = training.restore(tmp_path, params=params, tx=after, migrate=True)
        assert same(moved.state["adamw"], state["adam"])
        assert not moved.migration.created + moved.migration.dropped
    with pytest.raises(ValueError, match="no single one in the state"):
        training.save(tmp_path / "other", state={"step": jnp.arange(3)})


def test_the_last_ones_are_kept(tmp_path):
    for step in range(5):
        training.save(tmp_path, step=step, params=PARAMS, keep=2)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["step_0000000003.npz", "step_0000000004.npz"]
    assert training.restore(tmp_path).step == 4
    assert training.restore(tmp_path, step=3).step == 3
    with pytest.raises(FileNotFoundError, match="no checkpoint of step 1; it has steps 3, 4"):
        training.restore(tmp_path, step=1)


def test_saving_behind_a_later_checkpoint_is_refused(tmp_path):
    training.save(tmp_path, step=7, params=PARAMS)
    with pytest.raises(ValueError, match="has step 7 already"):
        training.save(tmp_path, step=6, params=PARAMS)
    (tmp_path / "step_0000000007.npz").write_bytes(b"torn")
    training.save(tmp_path, step=6, params=PARAMS)
    with pytest.warns(UserWarning, match="step_0000000007"):
        assert training.restore(tmp_path).step == 6


MISTAKES = {
    "params/layers/0/w is float32 (2, 3), where float32 (3, 2) is expected": lambda p: {
        **p,
        "layers": [{**p["layers"][0], "w": jnp.ones((3, 2))}],
    },
    "params/layers/0/b is bfloat16 (3,), where float32 (3,) is expected": lambda p: {
        **p,
        "layers": [{**p["layers"][0], "b": jnp.ones(3)}],
    },
    "params/extra is missing": lambda p: {**p, "extra": jnp.ones(1)},
    "params/head/0 is not expected": lambda p: {k: v for k, v in p.items() if k != "head"},
    "params/none is None, where float32 (1,) is expected": lambda p: {**p, "none": jnp.ones(1)},
}


@pytest.mark.parametrize("said", MISTAKES)
def test_other_trees_are_errors_with_the_leaf(tmp_path, said):
    path = training.save(tmp_path / "one.npz", params=PARAMS)
    with pytest.raises(training.MismatchedCheckpointError) as error:
        training.restore(path, params=MISTAKES[said](PARAMS))
    assert said in str(error.value)


@pytest.mark.parametrize("other", [gx.adamw(1e-3), gx.adam(gx.cosine_decay_schedule(1e-3, 10)), gx.adam(1e-3, storage=gx.int8())])
def test_another_optimizer_is_an_error_that_names_the_way_out(tmp_path, state, other):
    path = training.save(tmp_path / "one.npz", tx=TX, params=PARAMS, state=state)
    with pytest.raises(training.MismatchedCheckpointError, match="migrate=True"):
        training.restore(path, tx=other, params=PARAMS)


def test_codecs_with_states_that_look_alike_are_told_apart(tmp_path):
    params = {"w": jnp.ones((16, 128))}
    frozen = [gx.freeze(lambda path, leaf: False, gx.lion(1e-3, storage=c)) for c in (gx.int8(128, 1), gx.int8(128, 2))]
    path = training.save(tmp_path / "one.npz", tx=frozen[0], params=params, state=frozen[0].init(params))
    assert same(training.restore(path, params=params, tx=frozen[0]).state, frozen[0].init(params))
    with pytest.raises(training.MismatchedCheckpointError, match="belongs to another optimizer"):
        training.restore(path, params=params, tx=frozen[1])
    with pytest.raises(ValueError, match="what its slots mean is not known"):
        training.restore(path, params=params, tx=frozen[1], migrate=True)


def damaged_copies(data):
    """The file cut off, and with one bit flipped, at offsets that touch every part of it."""
    places = sorted(
        {*range(0, len(data), max(len(data) // 24, 1)), 0, 4, 40, len(data) // 2, len(data) - 1, len(data) - 30, len(data) - 100}
    )
    for place in places:
        yield f"cut at {place}", data[:place]
        yield f"bit at {place}", data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :]


def test_damage_is_seen_or_does_no_harm(tmp_path, state):
    path = training.save(tmp_path / "one.npz", tx=TX, params=PARAMS, state=state)
    whole, seen = path.read_bytes(), 0
    for name, data in damaged_copies(whole):
        path.write_bytes(data)
        try:
            found = training.restore(path, params=PARAMS)
        except training.DamagedCheckpointError:
            seen += 1
        else:
            assert name.startswith("bit"), name
            assert same(found.params, PARAMS)
            assert same(found.state, state)
    assert seen > 40


def test_a_flipped_bit_of_an_array_names_it(tmp_path):
    path = training.save(tmp_path / "one.npz", params={"w": jnp.full(1000, 7.5)})
    data = bytearray(path.read_bytes())
    data[data.index(np.full(9, 7.5, np.float32).tobytes()) + 1001] ^= 1
    path.write_bytes(data)
    with pytest.raises(training.DamagedCheckpointError, match="params/w"):
        training.restore(path)


def test_an_array_of_another_checkpoint_is_seen(tmp_path):
    """Each member is a whole archive entry, with a right sum of its own, and not the one that was written."""
    for k in range(2):
        training.save(tmp_path / f"{k}.npz", params={"w": jnp.full(3, float(k))})
    with (
        zipfile.ZipFile(tmp_path / "0.npz") as one,
        zipfile.ZipFile(tmp_path / "1.npz") as two,
        zipfile.ZipFile(tmp_path / "2.npz", "w") as out,
    ):
        out.writestr("params/w.npy", two.read("params/w.npy"))
        out.writestr("header.npy", one.read("header.npy"))
        out.comment = one.comment
    with pytest.raises(training.DamagedCheckpointError, match="checksum"):
        training.restore(tmp_path / "2.npz")


def test_the_one_before_a_damaged_one_is_used_and_said(tmp_path):
    for step in (1, 2, 3):
        training.save(tmp_path, step=step, params={"w": jnp.full(3, float(step))})
    for step, size in ((3, 100), (2, 0)):
        os.truncate(tmp_path / f"step_{step:010d}.npz", size)
    with pytest.warns(UserWarning, match=r"step_0000000003.npz .*step_0000000002.npz .*Going on from step_0000000001.npz"):
        found = training.restore(tmp_path)
    assert found.step == 1
    assert float(found.params["w"][0]) == 1
    assert len(found.damaged) == 2
    with pytest.raises(training.DamagedCheckpointError):
        training.restore(tmp_path, step=3)
    os.truncate(tmp_path / "step_0000000001.npz", 10)
    with pytest.raises(training.DamagedCheckpointError, match=r"no checkpoint in .* is whole"):
        training.restore(tmp_path)


WRITER = """
import os, random, signal, sys, time
import numpy as np
import optax
from gradtx import training

def write_on_and_on(directory, pipe):
    for step in range(1, 100000):
        training.save(directory, step=step, params={"w": np.full(300_000, step)}, keep=3)
        os.write(pipe, b"%d " % step)

chance = random.Random(0)
for k in range(20):
    read, write = os.pipe()
    writer = os.fork()
    if not writer:
        write_on_and_on(f"{sys.argv[1]}/{k}", write)
    os.close(write)
    reported = os.read(read, 100)
    time.sleep(chance.uniform(0, 0.05))
    os.kill(writer, signal.SIGKILL)
    os.waitpid(writer, 0)
    while more := os.read(read, 100):
        reported += more
    os.close(read)
    print(reported.split()[-1].decode(), flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are started by fork")
def test_killed_at_twenty_moments_while_writing(tmp_path):
    """Each time the last checkpoint that was reported, or the one after it, is there and whole."""
    done = subprocess.run(
        [sys.executable, "-c", WRITER, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
    )
    reported = [int(line) for line in done.stdout.split()]
    assert len(reported) == 20
    torn = 0
    for k, last in enumerate(reported):
        directory = tmp_path / str(k)
        torn += len(list(directory.glob(".*")))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = training.restore(directory)
        assert found.step in (last, last + 1)
        assert (found.params["w"] == found.step).all()
        training.save(directory, step=found.step + 1, params={"w": np.zeros(1)})
        assert not list(directory.glob(".*"))
    assert torn > 0, "no writer was killed while it wrote"


FULL = """
import resource, sys, numpy as np
from gradtx import training
training.save(sys.argv[1], step=1, params={"w": np.ones(10)})
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    training.save(sys.argv[1], step=2, params={"w": np.ones(100_000)})
except OSError as error:
    print(error)
print(training.restore(sys.argv[1]).step)
"""


def test_no_room(tmp_path):
    """A limit of the system on the size of files stands for a disk that fills while it is written."""
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=True)
    message, step = done.stdout.splitlines()
    assert "the checkpoint was not written, and those before it are as they were" in message
    assert step == "1"
    assert [entry.name for entry in tmp_path.iterdir()] == ["step_0000000001.npz"]


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_system_that_says_no(tmp_path, monkeypatch, failing):
    training.save(tmp_path, step=1, params=PARAMS)

    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, failing, refuse)
    with pytest.raises(OSError, match="No space left on device; the checkpoint was not written") as error:
        training.save(tmp_path, step=2, params=PARAMS)
    assert error.value.errno == errno.ENOSPC
    assert [entry.name for entry in tmp_path.iterdir()] == ["step_0000000001.npz"]


def test_a_directory_that_nobody_can_write(tmp_path):
    """A file stands where the directory should be: also the superuser, whom no mode stops, cannot write there."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="the checkpoint was not written"):
        training.save(tmp_path / "file" / "run", step=1, params=PARAMS)


def test_a_later_version_is_no_damage(tmp_path, monkeypatch):
    training.save(tmp_path, step=1, params=PARAMS)
    monkeypatch.setattr("gradtx.training._checkpoint_file.VERSION", 2)
    training.save(tmp_path, step=2, params=PARAMS)
    monkeypatch.undo()
    with pytest.raises(ValueError, match="version 2 of the format; this gradtx reads up to 1"):
        training.restore(tmp_path)


def test_mistakes_are_errors(tmp_path):
    with pytest.raises(ValueError, match="Write step="):
        training.save(tmp_path, params=PARAMS)
    for step in (1.5, "5", float("nan"), True, -1):
        with pytest.raises(ValueError, match=f"a whole number of at least 0, got {step!r}"):
            training.save(tmp_path, step=step, params=PARAMS)
    with pytest.raises(ValueError, match="keep must be a whole number of at least 1"):
        training.save(tmp_path, step=1, keep=0)
    with pytest.raises(ValueError, match="format must be"):
        training.save(tmp_path, step=1, format="pickle")
    with pytest.raises(TypeError, match=r"extra/names is .*no dtype of numbers"):
        training.save(tmp_path, step=1, extra={"names": np.array(["a"])})
    with pytest.raises(TypeError, match="outside of jit"):
        jax.jit(lambda x: training.save(tmp_path, step=1, params=x))(jnp.ones(1))
    with pytest.raises(FileNotFoundError, match="has none"):
        training.restore(tmp_path)


def test_numbers_of_numpy_are_not_narrowed_in_silence(tmp_path):
    path = training.save(tmp_path / "one.npz", params={"n": np.array([2**40 + 1])})
    assert same(training.restore(path, params={"n": np.zeros(1, np.int64)}).params, {"n": np.array([2**40 + 1])})
    with pytest.raises(TypeError, match="params/n was saved in int64, which JAX would narrow here"):
        training.restore(path, params={"n": jax.ShapeDtypeStruct((1,), np.int64)})


class Color(enum.IntEnum):
    RED = 1


class Near(float):
    pass


@pytest.mark.parametrize(
    "leaf", [np.random.default_rng(0), Color.RED, Near(0.5), datetime.date(2026, 1, 1)], ids=lambda x: type(x).__name__
)
def test_what_would_not_come_back_is_refused(tmp_path, leaf):
    """It is the object of whoever restores that would come back, a fresh generator for one, or nothing."""
    with pytest.raises(TypeError, match=r"save: extra/it is .*, and would not come back. Save what it is made of"):
        training.save(tmp_path / "one.npz", extra={"it": leaf})
    assert not list(tmp_path.iterdir())


def test_a_place_without_leaves_leaves_its_number(tmp_path):
    extra = (optax.EmptyState(), jnp.ones(2), {np.int64(3): jnp.zeros(3)})
    found = training.restore(training.save(tmp_path / "one.npz", extra=extra)).extra
    assert found[0] is None
    assert same(found[1], extra[1])
    assert list(found[2]) == [3]


def test_a_tree_that_was_not_saved_is_an_error(tmp_path, state):
    path = training.save(tmp_path / "one.npz", tx=TX, state=state)
    for name, tree in (("params", PARAMS), ("extra", {"a": 1})):
        with pytest.raises(training.MismatchedCheckpointError, match=rf"one.npz has no {name}; it has state. Leave {name}= out"):
            training.restore(path, **{name: tree})
    assert training.restore(path, tx=gx.adamw(1e-3), params=PARAMS, migrate=True).migration


def test_one_file_has_one_step_and_no_others_beside_it_to_keep(tmp_path):
    path = training.save(tmp_path / "one.npz", step=3, params=PARAMS)
    assert training.restore(path, step=3).step == 3
    with pytest.raises(FileNotFoundError, match=r"one\.npz is of step 3, not of step 5"):
        training.restore(path, step=5)
    with pytest.raises(ValueError, match="keep is for a directory"):
        training.save(path, step=3, params=PARAMS, keep=2)


def test_files_are_saved_side_by_side(tmp_path):
    """One for each seed in a directory: a writer removes what killed writers of its own file left, and no other's."""

    def saves(name):
        for k in range(20):
            training.save(tmp_path / f"{name}.npz", step=k, params={"w": jnp.full(1000, k)})

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(saves, ("seed0", "seed1", "seed2", "seed3")))
    assert [training.restore(tmp_path / f"seed{k}.npz").step for k in range(4)] == [19] * 4
    (tmp_path / ".seed0.npz.abc.partial").write_bytes(b"left over")
    saves("seed0")
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"seed{k}.npz" for k in range(4)]


def test_what_belongs_to_the_structure_comes_from_the_tree_that_is_given(tmp_path):
    params = {"w": jnp.ones(2), "dtype": np.dtype("float32"), "path": tmp_path, "f": jax.nn.relu}
    path = training.save(tmp_path / "one.npz", params=params)
    found = training.restore(path, params=params).params
    assert {name: found[name] for name in ("dtype", "path", "f")} == {name: params[name] for name in ("dtype", "path", "f")}


class Same:
    """A key that looks like every other one."""

    def __init__(self, number):
        self.number = number

    def __lt__(self, other):
        return self.number < other.number

    def __repr__(self):
        return "same"


def test_leaves_that_would_overwrite_each_other_are_refused(tmp_path):
    with pytest.raises(ValueError, match="save: 2 leaves have the path params/same"):
        training.save(tmp_path / "one.npz", params={Same(0): jnp.ones(2), Same(1): jnp.zeros(2)})


def test_containers_of_ones_own_come_back_as_dicts_with_their_state(tmp_path):
    params = collections.namedtuple("Pair", "a b")(jnp.ones(2), jnp.zeros(3))
    found = training.restore(training.save(tmp_path / "one.npz", tx=TX, params=params, state=TX.init(params)))
    assert set(found.params) == {"a", "b"}
    assert same(found.state["adam"]["scale_by_momentum"]["bias_correction"]["ema"]["average"]["b"], jnp.zeros(3))
    again = training.restore(tmp_path / "one.npz", params=params)
    assert jax.tree.structure(again.state) == jax.tree.structure(TX.init(params))


@pytest.mark.parametrize("put", ["link", "directory"])
def test_what_cannot_be_opened_is_passed_over(tmp_path, put):
    for k in (2, 4):
        training.save(tmp_path, step=k, params=PARAMS)
    last = tmp_path / "step_0000000004.npz"
    last.unlink()
    last.symlink_to(tmp_path / "nowhere") if put == "link" else last.mkdir()
    with pytest.warns(UserWarning, match="step_0000000004.npz cannot be opened: .*Going on from step_0000000002.npz"):
        found = training.restore(tmp_path)
    assert found.step == 2
    assert len(found.damaged) == 1
