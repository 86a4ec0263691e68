"""Checkpoints in Orbax's format, by the same two functions."""

import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradtx as gx
from gradtx import training
from tests.processes import last_lines, two_processes
from tests.test_checkpoints import same

pytest.importorskip("orbax.checkpoint", reason="Orbax is an extra")
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


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Orbax closes its event loop with reads under way
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


def halves():
    """Parameters that are spread over all devices of all processes."""
    sharding = jax.NamedSharding(jax.make_mesh((len(jax.devices()),), ("data",)), jax.P("data"))
    numbers = np.arange(32, dtype=np.float32).reshape(8, 4)
    return {"w": jax.make_array_from_callback(numbers.shape, sharding, lambda index: numbers[index])}


@jax.jit
def step(params, state):
    updates, state = TX.update(params, state, params)
    return gx.apply_updates(params, updates), state


def trained_together(directory):
    """Whether each part of a run that was restored lies where it lay, with the same bits, and trains on to the same."""
    params = halves()
    run = step(params, jax.jit(TX.init)(params))
    training.save(directory, tx=TX, params=run[0], state=run[1], format="orbax")
    like = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding), run)
    found = training.restore(directory, params=like[0], state=like[1])
    again = found.params, found.state
    return jax.process_count(), found.step, _same_parts(run, again), _same_parts(step(*run), step(*again))


def _same_parts(one, other):
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return all(
        a.sharding == b.sharding
        and all(np.array_equal(x.data, y.data) for x, y in zip(a.addressable_shards, b.addressable_shards, strict=True))
        for a, b in pairs
    )


def test_two_processes_write_one_checkpoint_and_any_number_go_on_from_it(tmp_path):
    with two_processes(TOGETHER, str(tmp_path), devices=2) as processes:
        assert last_lines(processes) == ["(2, 1, True, True)"] * 2
    params = halves()
    found = training.restore(tmp_path, params=params)
    expected = step(params, TX.init(params))
    np.testing.assert_allclose(found.params["w"], expected[0]["w"], rtol=1e-6)
    assert same(found.state, expected[1])
    assert found.params["w"].sharding == params["w"].sharding
