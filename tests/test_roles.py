"""Roles of leaves, and layers and matrices in the axes that they say."""

import json
import pathlib
import pickle
import re

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradtx as gx
from gradtx.testing._laws.values import every_name

RNG = np.random.default_rng(0)


def normal(*shape):
    return jnp.asarray(RNG.normal(size=shape), jnp.float32)


TABLE = gx.roles(
    ("embedding", "embedding"),
    ("conv", "conv"),
    ("blocks/w", gx.role("matrix", stack=0)),
    ("blocks/scale", gx.role("norm", stack=0)),
    ("query", gx.role("matrix", inputs=0, heads=1, outputs=2)),
    ("joint", gx.role("matrix", inputs=0, outputs=(1, 2))),
    ("qkv", gx.role("matrix", fused=3)),
    ("turned", gx.role("matrix", outputs=0)),
    (re.compile("w$"), "matrix"),
    ("bias", "bias"),
)
PARAMS = {
    "embedding": normal(7, 4),
    "conv": normal(3, 3, 2, 5),
    "blocks": {"w": normal(2, 4, 5), "scale": normal(2, 4)},
    "query": normal(4, 2, 3),
    "joint": normal(4, 2, 3),
    "qkv": normal(4, 9),
    "turned": normal(5, 4),
    "w": normal(4, 4),
    "bias": normal(6),
}
MATRICES = {
    "conv": lambda x: {"0": x.reshape(18, 5)},
    "blocks": lambda x: {"0": x["w"][0], "1": x["w"][1]},
    "query": lambda x: {"0": x[:, 0], "1": x[:, 1]},
    "joint": lambda x: {"0": x.reshape(4, 6)},
    "qkv": lambda x: {"0": x[:, :3], "1": x[:, 3:6], "2": x[:, 6:]},
    "turned": lambda x: {"0": x.T},
    "w": lambda x: {"0": x},
}
"""What each leaf is as matrices of shape (inputs, outputs)."""


def as_matrices(tree):
    return {name: parts(tree[name]) for name, parts in MATRICES.items() if name in tree}


MATRIX = TABLE["matrix", "conv"]
OPTIMIZERS = {
    "muon": gx.muon(0.1, MATRIX),
    "adamuon": gx.adamuon(0.1, MATRIX),
    "normuon": gx.normuon(0.1, MATRIX),
    "scion": gx.scion(0.1, MATRIX),
    "soap": gx.soap(0.1, MATRIX, every=1),
    "shampoo": gx.shampoo(0.1, MATRIX, every=1),
    "kl_shampoo": gx.kl_shampoo(0.1, MATRIX, every=1),
    "sinkgd": gx.sinkgd(0.1, MATRIX),
    "galore": gx.galore(0.1, MATRIX, rank=2, every=1),
    "muonh": gx.muonh(0.1, MATRIX, 0.1),
    "adamh": gx.adamh(0.1, MATRIX, 0.1),
    "lamb": gx.layerwise(TABLE, gx.lamb(0.1)),
}


def trained(tx, params, steps=4):
    @jax.jit
    def step(params, state):
        updates, state = tx.update(jax.tree.map(jnp.sin, params), state, params)
        return gx.apply_updates(params, updates), state

    state = tx.init(params)
    for _ in range(steps):
        params, state = step(params, state)
    return params


SHOWN = {name: PARAMS[name] for name in (*MATRICES, "embedding")} | {"blocks": {"w": PARAMS["blocks"]["w"]}}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_stacks_heads_and_kernels_train_as_their_matrices_do_alone(name):
    tx = OPTIMIZERS[name]
    alone = as_matrices(SHOWN)
    plain = tx.replace(where=lambda path, leaf: path != "embedding") if name != "lamb" else tx.inner
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), (SHOWN, alone | {"embedding": SHOWN["embedding"]}))
        together, apart = trained(tx, wide[0]), trained(plain, wide[1])
    chex.assert_trees_all_close(as_matrices(together), {name: apart[name] for name in MATRICES}, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(together["embedding"], apart["embedding"], rtol=1e-7)


def test_every_optimizer_with_matrices_is_compared_with_its_matrices():
    """Only those that draw random directions draw others for each layer, or for each matrix."""
    folder = pathlib.Path(gx.__file__).parent / "_optimizers"
    assert {path.stem for path in folder.glob("*.py") if "layerwise(where" in path.read_text()} - set(OPTIMIZERS) == {"apollo", "dion"}


def test_a_leaf_without_layers_or_matrices_is_seen_as_it_is():
    tx = gx.layerwise(TABLE, gx.normalize(1e-8))
    updates, _ = tx.update(PARAMS, tx.init(PARAMS), PARAMS)
    for k in range(2):
        np.testing.assert_allclose(jnp.linalg.norm(updates["blocks"]["scale"][k]), 1.0, rtol=1e-5)
    np.testing.assert_allclose(jnp.linalg.norm(updates["bias"]), 1.0, rtol=1e-5)


def test_each_layer_draws_noise_of_its_own():
    tx = gx.layerwise(gx.roles(("w", gx.role("layers", stack=0))), gx.add_noise(1.0, 0.0, key=0))
    params = {"w": jnp.zeros((3, 50))}
    noise, _ = jax.jit(tx.update)(params, tx.init(params), params)
    chex.assert_trees_all_equal(noise, tx.update(params, tx.init(params), params)[0])
    assert np.all(np.abs(np.corrcoef(noise["w"]) - np.eye(3)) < 0.5)


def test_a_stack_on_a_mesh_trains_as_it_does_on_one_device():
    mesh = jax.make_mesh((8,), ("x",))
    place = {"w": jax.P(None, "x"), "scale": jax.P(None, "x")}
    params = {"w": normal(2, 16, 4), "scale": normal(2, 8)}
    table = gx.roles(("w", gx.role("matrix", stack=0)), ("scale", gx.role("norm", stack=0)))
    tx = gx.chain(gx.muon(0.1, table["matrix"]), gx.layerwise(table, gx.normalize(1e-8)))
    placed = {name: jax.device_put(leaf, jax.NamedSharding(mesh, place[name])) for name, leaf in params.items()}
    chex.assert_trees_all_close(trained(tx, params), jax.device_get(trained(tx, placed)), rtol=2e-4, atol=1e-6)
    with jax.set_mesh(jax.make_mesh((8,), ("x",), axis_types=(jax.sharding.AxisType.Explicit,))):
        explicit = {name: jax.device_put(leaf, place[name]) for name, leaf in params.items()}
        moved = jax.device_get(trained(tx, explicit))
    chex.assert_trees_all_close(trained(tx, params), moved, rtol=2e-4, atol=1e-6)


def test_the_parameters_of_an_average_are_found_behind_it():
    tx = gx.layerwise(TABLE, gx.average(gx.sgd(0.5), 0.5))
    state = tx.init(PARAMS)
    for _ in range(3):
        _, state = tx.update(PARAMS, state, PARAMS)
    plain = gx.average(gx.sgd(0.5), 0.5)
    expected = plain.init(PARAMS)
    for _ in range(3):
        _, expected = plain.update(PARAMS, expected, PARAMS)
    chex.assert_trees_all_close(gx.eval_params(tx, PARAMS, state), gx.eval_params(plain, PARAMS, expected), rtol=1e-6)


def test_roles_choose_leaves_wherever_leaves_are_chosen():
    decayed, _ = (tx := gx.add_decayed_weights(1.0, TABLE["matrix"])).update(PARAMS, tx.init(PARAMS), PARAMS)
    np.testing.assert_allclose(decayed["query"], 2 * PARAMS["query"])
    np.testing.assert_array_equal(decayed["bias"], PARAMS["bias"])
    frozen, _ = (tx := gx.freeze(TABLE["embedding", "norm"], gx.adam(0.1))).update(PARAMS, tx.init(PARAMS), PARAMS)
    assert not np.any(frozen["embedding"])
    assert not np.any(frozen["blocks"]["scale"])
    assert np.all(frozen["blocks"]["w"])
    groups = gx.partition((TABLE["matrix"], gx.scale(2.0)), (TABLE["embedding", "conv"], gx.scale(3.0)), (None, gx.identity()))
    updates, _ = groups.update(PARAMS, groups.init(PARAMS), PARAMS)
    for name, factor in {"w": 2, "query": 2, "embedding": 3, "conv": 3, "bias": 1}.items():
        np.testing.assert_allclose(updates[name], factor * PARAMS[name])


def test_the_first_rule_that_fits_decides():
    table = gx.roles(("head/*", "head"), (lambda path, leaf: leaf.ndim == 2, "matrix"), ("*", "rest"))
    params = {"head": {"w": jnp.ones((2, 2))}, "w": jnp.ones((2, 2)), "b": jnp.ones(2)}
    tx = gx.partition((table["head"], gx.scale(1.0)), (table["matrix"], gx.scale(2.0)), (table["rest"], gx.scale(3.0)))
    updates, _ = tx.update(params, tx.init(params), params)
    assert (float(updates["head"]["w"][0, 0]), float(updates["w"][0, 0]), float(updates["b"][0])) == (1.0, 2.0, 3.0)


def test_a_table_is_a_value():
    part = TABLE["matrix", "bias"]
    assert eval(repr(part), {**every_name(), "re": re}) == part != TABLE
    assert pickle.loads(pickle.dumps(part)) == part
    assert repr(gx.role("matrix", stack=0)) == "role('matrix', stack=0)"
    assert str(part) == "roles(10 rules)['matrix', 'bias']"
    tx = gx.muon(0.1, part)
    assert gx.from_spec(json.loads(json.dumps(gx.to_spec(tx)))) == tx
    assert jax.tree.structure(tx) == jax.tree.structure(tx.replace(learning_rate=0.2))


def test_complex_kernels_are_two_real_ones():
    params = {"w": jax.lax.complex(normal(2, 4, 3), normal(2, 4, 3))}
    tx = gx.layerwise(gx.roles(("w", gx.role("matrix", stack=0))), gx.orthogonalize("polar_express_8"))
    updates, _ = tx.update(params, tx.init(params), params)
    for part in (updates["w"].real, updates["w"].imag):
        np.testing.assert_allclose(part.mT @ part, np.broadcast_to(np.eye(3), (2, 3, 3)), atol=1e-3)


def test_describe_prints_role_rule_and_bytes_of_each_leaf():
    text = gx.describe(gx.freeze("bias", gx.muon(0.1, MATRIX)), PARAMS)
    _, leaves, rules, *_ = text.split("\n\n")
    rows = {row.split("  ")[0]: re.split(r"  +", row) for row in leaves.splitlines()}
    assert rows["leaf"] == ["leaf", "shape", "dtype", "role", "rule", "state"]
    assert rows["blocks/w"][3:] == ["matrix", "3", "160 B"]
    assert rows["embedding"][3:] == ["embedding", "2", "224 B"]
    assert rows["bias"][3:] == ["bias", "1", "0 B"]
    assert re.split(r"  +", rules.splitlines()[3]) == [
        "3",
        "scale_by_momentum, orthogonalize, scale_by_larger_side, scale, add_decayed_weights, scale_by_learning_rate",
    ]
    assert rules.splitlines()[1].endswith("none: it stays as it is")
    assert "rule" not in gx.describe(gx.adamw(0.1), PARAMS)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TABLE["matrx"], "roles: no rule gives the role 'matrx' (did you mean 'matrix'?); the roles are embedding, conv, "),
        (lambda: gx.roles("w"), "roles: rules[0] must be a pair of a pattern and a role, got 'w' (str). Write ('*/kernel', 'matrix')."),
        (lambda: gx.roles(("w", 3)), "roles: rules[0]: its role must be a role or the name of one, got 3 (int). Write 'matrix', or"),
        (lambda: gx.roles((3, "matrix")), "roles: rules[0]: its pattern must be a pattern over paths, a function of path and leaf, got 3"),
        (lambda: gx.role("matrix", fused=0), "role: fused must be at least 1 matrix, got 0"),
        (
            lambda: gx.layerwise(TABLE, gx.sgd(0.1)).init({"z": jnp.ones(2)}),
            "layerwise: no rule of the roles fits z of shape (2,). Add one",
        ),
        (
            lambda: gx.layerwise(TABLE, gx.sgd(0.1)).init({"w": jnp.ones((2, 3, 4))}),
            "so the axes (0, 1) may be anything. Say what each axis",
        ),
        (
            lambda: gx.layerwise(TABLE, gx.sgd(0.1)).init({"qkv": jnp.ones((3, 4))}),
            "qkv of shape (3, 4) has 4 outputs, which are not 3 matr",
        ),
        (lambda: gx.layerwise(TABLE, gx.sgd(0.1)).init({"query": jnp.ones(3)}), "role: query of shape (3,) has no axis 1. Give it a role"),
        (
            lambda: gx.layerwise(gx.roles(("w", gx.role("matrix", stack=-1))), gx.sgd(0.1)).init({"w": jnp.ones((2, 3))}),
            "role: an axis of w, which has shape (2, 3), has two meanings: {'stack': (1,), 'heads': (), 'outputs': (1,)}. Give each axis",
        ),
        (
            lambda: gx.partition((TABLE["bias"], gx.sgd(0.1))).init(PARAMS),
            "partition: no group chooses blocks/scale, blocks/w, conv, embedding",
        ),
    ],
)
def test_the_message_says_what_to_write(make, message):
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        make()


def test_a_role_that_no_leaf_has_is_a_misspelled_pattern():
    params = {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2), "count": jnp.array(3)}
    wrong = gx.roles(("*/kernel", "matrix"), ("bias", "bias"))
    with pytest.raises(
        ValueError, match=r"where=roles\(2 rules\)\['matrix'\] means no leaf; the roles are bias \(bias\), kernel \(none\)\."
    ):
        gx.muon(0.1, wrong["matrix"]).init(params)
    table = gx.roles(("kernel", "matrix"), ("bias", "bias"), ("count", "counter"))
    decayed = gx.adamw(0.1, where=table["matrix"])
    gx.partition((table["matrix"], decayed), (table["bias"], decayed)).init(params)
    gx.freeze(table["counter"], gx.sgd(0.1)).init(params)


def test_scion_takes_the_head_of_a_layer_for_a_matrix():
    params = {"head": jnp.arange(24.0).reshape(2, 3, 4) - 5, "bias": jnp.arange(8.0).reshape(2, 4) - 3}
    inner = gx.scion(0.1, lambda path, leaf: False)
    stacked = gx.layerwise(gx.roles(("*", gx.role("layers", stack=0))), inner)
    whole = stacked.update(params, stacked.init(params), params)[0]
    for k in range(2):
        layer = jax.tree.map(lambda leaf, k=k: leaf[k], params)
        alone = inner.update(layer, inner.init(layer), layer)[0]
        chex.assert_trees_all_close(jax.tree.map(lambda leaf, k=k: leaf[k], whole), alone, rtol=1e-6)
