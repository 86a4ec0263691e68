"""Checkpoints in Orbax's format, by the same two functions."""

import os

import jax
import jax.numpy as jnp
import pytest

import gradtx as gx
from gradtx import training
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
        saved(tmp_path, step, keep=2, wait=False)
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


def test_arrays_come_back_where_the_given_ones_lie(tmp_path):
    devices = jax.devices()
    sharding = jax.NamedSharding(jax.make_mesh((len(devices),), ("data",)), jax.P("data"))
    params = {"w": jax.device_put(jnp.arange(8.0 * len(devices)), sharding)}
    path = training.save(tmp_path / "one.orbax", params=params, format="orbax")
    like = {"w": jax.ShapeDtypeStruct(params["w"].shape, jnp.float32, sharding=sharding)}
    assert training.restore(path, params=like).params["w"].sharding == sharding
