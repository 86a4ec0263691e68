"""Layouts of states, their shardings, and the traffic of compiled steps on eight devices."""

import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradtx as gx
from gradtx._core.placement import beside
from gradtx.sharding import bytes_per_device, collectives, layout, state_shardings
from gradtx.testing._compare import close
from gradtx.training import dynamic_loss_scale, fit, make_step, restore, save

P = jax.P
SHAPES = {"a": (128, 384), "c": (256, 512), "b": (256,), "n": (512,)}
MATRICES = ("a", "c")
WHOLE = 4 * (128 * 384 + 256 * 512)
"""Bytes of the matrices."""

LAYOUTS = {
    "data": dict.fromkeys(SHAPES, P()),
    "full": dict.fromkeys(SHAPES, P("x")),
    "tensor": {"a": P(None, "x"), "c": P("x", None), "b": P("x"), "n": P()},
}


def where(path, leaf):
    return len(leaf.shape) == 2


METHODS = {
    "adamw": gx.adamw(1e-3),
    "clip": gx.chain(gx.clip_by_global_norm(1.0), gx.adamw(1e-3)),
    "lion": gx.lion(1e-3),
    "adafactor": gx.adafactor(1e-2),
    "muon": gx.muon(1e-3, where),
    "soap": gx.soap(1e-3, where),
}


def mesh_of(count=8, **axes):
    axes = axes or {"x": count}
    return jax.sharding.Mesh(np.array(jax.devices()[: math.prod(axes.values())]).reshape(*axes.values()), tuple(axes))


def abstract(mesh, specs):
    return {name: jax.ShapeDtypeStruct(SHAPES[name], jnp.float32, sharding=jax.NamedSharding(mesh, spec)) for name, spec in specs.items()}


def compiled_update(tx, params, shardings):
    state = jax.tree.map(lambda leaf, s: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=s), tx.init(params), shardings)
    places = jax.tree.map(lambda leaf: leaf.sharding, params)
    return jax.jit(tx.update, out_shardings=(places, shardings)).lower(params, state, params).compile()


def test_layout_says_whose_each_leaf_is_and_along_which_axes():
    square = {"w": jax.ShapeDtypeStruct((256, 256), jnp.float32), "z": jax.ShapeDtypeStruct((4,), jnp.complex64)}
    factored = layout(gx.adafactor(1e-2), square)["adafactor"]["scale_by_rms"]["stored"]["ema"]["average"]
    assert (factored["rows"]["w"].relation, factored["rows"]["w"].axes) == ("reduced", ((0,),))
    assert (factored["columns"]["w"].owner, factored["columns"]["w"].axes) == ("w", ((1,),))
    assert factored["wide"]["z"]["imag"].owner == "z"
    assert layout(gx.adamw(1e-3), square)["step"].relation == "scalar"
    coded = layout(gx.adamw(1e-3, storage=gx.int8()), square)["adamw"]["scale_by_rms"]["bias_correction"]["stored"]["ema"]["average"]
    assert (coded["codes"]["w"].relation, coded["scales"]["w"].relation) == ("same", "reduced")
    assert coded["scales"]["w"].axes == ((0,), (1,))


def flat(tree):
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def test_layout_tells_projected_from_same_in_squares_and_finds_transposed_stacks():
    params = {"w": jax.ShapeDtypeStruct((64, 64), jnp.float32), "l": jax.ShapeDtypeStruct((4, 16, 32), jnp.float32)}
    table = gx.roles(("w", "matrix"), ("l", gx.role("matrix", stack=0, outputs=1)))
    found = flat(layout(gx.soap(1e-3, table), params))
    (left,) = [leaf for name, leaf in found.items() if name.endswith("kronecker_eigenbasis/left/w")]
    assert (left.relation, left.axes) == ("projected", ((0,), (0,)))
    (seen,) = [leaf for name, leaf in found.items() if re.search("inner/scale_by_rms/.*average/l$", name)]
    assert (seen.relation, seen.axes, seen.shape) == ("stacked", ((0,), (2,), (1,)), (4, 32, 16))
    assert {leaf.relation for leaf in flat(layout(gx.galore(1e-3, "w", rank=8), params)).values()} >= {"projected", "same", "scalar"}


@pytest.mark.parametrize("specs", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("tx", METHODS.values(), ids=METHODS)
def test_shardings_are_those_that_init_gives(tx, specs):
    mesh = mesh_of()
    params = {name: jax.device_put(jnp.ones(shape), jax.NamedSharding(mesh, specs[name])) for name, shape in SHAPES.items()}
    state, said = tx.init(params), state_shardings(tx, abstract(mesh, specs), mesh)
    for (name, leaf), where in zip(flat(state).items(), jax.tree.leaves(said), strict=True):
        assert leaf.sharding.is_equivalent_to(where, leaf.ndim), (name, leaf.sharding, where)


@pytest.mark.parametrize("tx", [gx.soap(1e-3, None), gx.shampoo(1e-3, None), gx.psgd_kron(1e-3, key=0)], ids=["soap", "shampoo", "kron"])
def test_bases_of_squares_lie_on_every_device(tx):
    """They have the shape of the weight, and none of its axes."""
    mesh = mesh_of()
    params = {"w": jax.device_put(jnp.ones((16, 16)), jax.NamedSharding(mesh, P("x")))}
    state, said, known = tx.init(params), flat(state_shardings(tx, params, mesh)), flat(layout(tx, params))
    bases = [name for name, leaf in known.items() if leaf.relation == "projected"]
    assert sum(known[name].shape == (16, 16) for name in bases) >= 2
    assert all(said[name].is_fully_replicated for name in bases)
    assert any(not where.is_fully_replicated for where in said.values()) or tx.form.name == "psgd_kron"
    for made in (flat(state), flat(jax.jit(tx.init)(params))):
        assert all(made[name].sharding.is_equivalent_to(where, made[name].ndim) for name, where in said.items())


@pytest.mark.parametrize("specs", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("name", METHODS)
def test_an_update_moves_what_its_method_needs(name, specs):
    mesh = mesh_of()
    tx, params = METHODS[name], abstract(mesh, specs)
    moved = collectives(compiled_update(tx, params, state_shardings(tx, params, mesh)))
    if specs == LAYOUTS["data"] or name in ("adamw", "lion"):
        assert moved == {}
        return
    if name == "clip":  # one, and one more in the branch for norms that overflow; a scalar for each leaf, in one operation
        assert list(moved) == ["all-reduce"]
        assert moved["all-reduce"].operations <= 2
        assert moved["all-reduce"].bytes == 4 * moved["all-reduce"].arrays
    if name == "adafactor":  # the means along the axis that is spread: columns of both, or rows of `a` and columns of `c`
        means = 4 * (384 + 512) if specs == LAYOUTS["full"] else 4 * (128 + 512)
        assert list(moved) == ["all-reduce"]
        assert 0 <= moved["all-reduce"].bytes - means <= 4 * moved["all-reduce"].arrays
    if name == "muon":  # each matrix once
        assert (list(moved), moved["all-gather"].bytes) == (["all-gather"], WHOLE)
    if name == "soap":  # what turns is gathered: gradient, momentum, update; two products along the axis that is spread are added up
        assert moved.keys() == {"all-gather", "all-reduce"}
        assert moved["all-gather"].bytes == 3 * WHOLE
        assert 0 <= moved["all-reduce"].bytes - 2 * WHOLE <= 4 * moved["all-reduce"].arrays


@pytest.mark.parametrize("name", ["adamw", "lion", "clip", "adafactor"])
def test_zero_keeps_an_eighth_and_gathers_the_updates_once(name):
    mesh, tx = mesh_of(), METHODS[name]
    params = abstract(mesh, LAYOUTS["data"])
    shardings = state_shardings(tx, params, mesh, zero="x")
    state = tx.init(params)
    whole, share = bytes_per_device(state), bytes_per_device(state, shardings)
    scalars = sum(leaf.dtype.itemsize for leaf in jax.tree.leaves(state) if leaf.ndim == 0)
    assert 8 * (share - scalars) == whole - scalars
    moved = collectives(compiled_update(tx, params, shardings))
    size = sum(4 * math.prod(shape) for shape in SHAPES.values())
    if name != "adafactor":  # whose slots are rows and columns: there is little to spread, and the compiler also splits the updates
        assert moved["all-gather"].bytes == size
        assert moved.keys() <= {"all-gather", "all-reduce"}
        assert moved.get("all-reduce", moved["all-gather"]).bytes <= size


def test_zero_takes_the_largest_axis_that_it_divides_beside_those_that_are_taken():
    mesh = mesh_of(data=2, model=4)
    spread = jax.NamedSharding(mesh, P(None, "model"))
    params = {"w": jax.ShapeDtypeStruct((6, 16), jnp.float32, sharding=spread), "odd": jax.ShapeDtypeStruct((7, 3), jnp.float32)}
    said = state_shardings(gx.lion(1e-3), params, mesh, zero="data")["lion"]
    specs = {name.split("/")[-1]: where.spec for name, where in flat(said).items()}
    assert specs["w"] == P("data", "model")
    assert specs["odd"] == P(None, None)


def test_slots_lie_in_host_memory_where_the_backend_has_it():
    mesh = mesh_of()
    params = {name: jax.device_put(jnp.ones(shape), jax.NamedSharding(mesh, P("x"))) for name, shape in SHAPES.items()}
    tx = gx.adamw(1e-3)
    shardings = state_shardings(tx, params, mesh, memory_kind="pinned_host")
    state = jax.device_put(tx.init(params), shardings)
    assert {leaf.sharding.memory_kind for leaf in jax.tree.leaves(state) if leaf.ndim} == {"pinned_host"}
    assert state["step"].sharding.memory_kind == "device"
    device = state_shardings(tx, params, mesh)
    step = jax.jit(lambda state: tx.update(params, jax.device_put(state, device), params), out_shardings=(None, shardings))
    updates, state = step(state)
    assert jax.tree.map(lambda leaf: leaf.sharding, state) == shardings
    close(tx.update(params, tx.init(params), params)[0], updates, rtol=1e-5, atol=1e-8)
    with pytest.raises(ValueError, match=r"memory_kind='disk' is none of these devices', which are .*pinned_host"):
        state_shardings(tx, params, mesh, memory_kind="disk")


def test_errors_say_what_to_write():
    mesh = mesh_of()
    with pytest.raises(ValueError, match="zero='data' is no axis of the mesh, whose axes are x"):
        state_shardings(gx.lion(1e-3), abstract(mesh, LAYOUTS["data"]), mesh, zero="data")
    with pytest.raises(ValueError, match=r"the parameter at a lies on the mesh .*'x': 8.*, not on .*'x': 4"):
        state_shardings(gx.lion(1e-3), abstract(mesh, LAYOUTS["full"]), mesh_of(4))
    with pytest.raises(TypeError, match=r"Write jax.jit\(f\).lower"):
        collectives(jax.jit(jnp.sin))
    with pytest.raises(TypeError, match=r"layout\(tx, params\): tx must be a transformation"):
        layout(gx.lion, {})
    params = {"w": jax.device_put(jnp.ones((8, 8)), jax.NamedSharding(mesh, P("x")))}
    with pytest.raises(TypeError, match=r"mesh must be a jax.sharding.Mesh, got None"):
        state_shardings(gx.lion(1e-3), params, None)
    part = gx.orthogonalize(distribute="data")
    with pytest.raises(ValueError, match="distribute='data' is no axis of the mesh, whose axes are x"):
        part.update(params, part.init(params), params)


@pytest.mark.parametrize("kind", [jax.sharding.AxisType.Auto, jax.sharding.AxisType.Explicit], ids=["auto", "explicit"])
def test_matrices_of_equal_shape_are_shared_out(kind):
    mesh = jax.make_mesh((8,), ("x",), axis_types=(kind,))
    one = {str(k): jax.random.normal(jax.random.key(k), (32, 64) if k % 2 else (64, 32)) for k in range(12)}
    params = jax.device_put(one, jax.NamedSharding(mesh, P("x")))
    alone = gx.muon(1e-3, None)
    shared = gx.muon(1e-3, None, orthogonal=gx.orthogonalize(distribute="x"))
    flops = {}
    for tx in (alone, shared):
        state = tx.init(params)
        compiled = jax.jit(tx.update).lower(params, state, params).compile()
        flops[tx] = compiled.cost_analysis()["flops"]
        close(alone.update(one, alone.init(one), one)[0], jax.device_get(compiled(params, state, params)[0]), rtol=1e-5, atol=1e-7)
    assert flops[shared] < flops[alone] / 4  # two of sixteen in place of twelve


def test_bases_of_squares_turn_with_others_on_an_explicit_mesh():
    mesh = jax.make_mesh((8,), ("x",))
    one = {"square": jax.random.normal(jax.random.key(0), (16, 16)), "wide": jax.random.normal(jax.random.key(1), (16, 32))}
    params, tx = jax.device_put(one, jax.NamedSharding(mesh, P("x"))), gx.soap(1e-3, None)
    update = jax.jit(tx.update)
    there, here = tx.init(params), tx.init(one)
    for size in (1.0, 2.0):
        grads = jax.tree.map(lambda w, size=size: jnp.sin(size * w), one)
        placed = jax.device_put(grads, jax.NamedSharding(mesh, P("x")))
        (moved, there), (expected, here) = update(placed, there, params), update(grads, here, one)
    close(expected, jax.device_get(moved), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("count", [1, 2, 4, 8])
@pytest.mark.parametrize("zero", [None, "x"])
def test_bytes_on_a_device_are_those_that_the_compiler_counts(count, zero):
    mesh, tx = mesh_of(count), gx.adamw(1e-3)
    params = abstract(mesh, LAYOUTS["data"])
    shardings = state_shardings(tx, params, mesh, zero=zero)
    counted = compiled_update(tx, params, shardings).memory_analysis().argument_size_in_bytes
    expected = 2 * bytes_per_device(params) + bytes_per_device(tx.init(params), shardings)
    assert 0 <= expected - counted <= 16  # three scalars, of which an update may need none


def test_asynchronous_operations_count_their_results():
    class Compiled:
        def as_text(self):
            return """
  %a = ((f32[4]{0}, bf16[2]{0}), (f32[32]{0}, bf16[16]{0})) all-gather-start(%p, %q), dimensions={0}
  %b = (f32[32]{0}, bf16[16]{0}) all-gather-done(%a)
  ROOT %c = (f32[], f32[5]{0}) all-reduce(%r, %s), to_apply=%add"""

        def memory_analysis(self):
            raise NotImplementedError

    found = collectives(Compiled())
    assert (found["all-gather"].operations, found["all-gather"].arrays, found["all-gather"].bytes) == (1, 2, 160)
    assert (found["all-reduce"].operations, found["all-reduce"].bytes) == (1, 24)


@pytest.mark.parametrize("kind", [jax.sharding.AxisType.Auto, jax.sharding.AxisType.Explicit], ids=["auto", "explicit"])
def test_a_step_leaves_parameters_and_state_where_they_lie(kind):
    """ZeRO stage 1: without being told, a compiler spreads the parameters as their state is spread."""
    mesh = jax.make_mesh((8,), ("x",), axis_types=(kind,))
    rows = np.random.default_rng(0).normal(size=(16, 8)).astype(np.float32)
    batch = jax.device_put(rows, jax.NamedSharding(mesh, P("x")))
    params = jax.device_put({"w": np.ones((8, 4), np.float32), "b": np.ones(8, np.float32)}, jax.NamedSharding(mesh, P()))
    tx = gx.adamw(0.1)
    shardings = state_shardings(tx, params, mesh, zero="x")
    step = make_step(lambda params, batch: jnp.mean((batch @ params["w"]) ** 2) + jnp.sum(params["b"] ** 2))
    alone = jax.tree.map(np.asarray, params)
    moved, state = params, jax.jit(tx.init, out_shardings=shardings)(params)
    expected, other = alone, tx.init(alone)
    for _ in range(3):
        moved, state, _ = step(tx, moved, state, batch)
        expected, other, _ = step(tx, expected, other, rows)
    assert all(leaf.sharding.is_fully_replicated for leaf in jax.tree.leaves(moved))
    assert all(leaf.sharding.is_equivalent_to(at, leaf.ndim) for leaf, at in zip(*map(jax.tree.leaves, (state, shardings)), strict=True))
    close(jax.device_get(moved), jax.device_get(expected), rtol=1e-5, atol=1e-6)


def test_what_a_step_keeps_lies_with_the_parameters_and_compiles_nothing_anew():
    mesh = mesh_of()
    params = {"w": jax.device_put(jnp.ones((8, 4)), jax.NamedSharding(mesh, P("x")))}
    tx = gx.adam(0.1)
    step = make_step(lambda params, batch, model_state: (jnp.sum(params["w"] ** 2), model_state + 1), loss_scale=dynamic_loss_scale(4.0))
    state = step.init(tx, params, jnp.zeros(8))
    assert all(len(leaf.sharding.device_set) == 8 for leaf in jax.tree.leaves(state))
    for _ in range(3):
        params, state, _ = step(tx, params, state, None)
    assert step.compilations == 1


def test_what_a_step_keeps_may_be_called_like_a_parameter_that_is_no_array():
    params = {"w": jax.device_put(jnp.ones((8, 4)), jax.NamedSharding(mesh_of(), P("x"))), "n": 3}
    step = make_step(lambda params, batch, model_state: (jnp.sum(params["w"] ** 2), model_state))
    state = step.init(gx.adam(0.1), params, {"n": jnp.zeros(())})
    assert len(state["model_state"]["n"].sharding.device_set) == 8


def test_a_state_that_is_spread_further_than_its_parameters_stays_so(tmp_path):
    mesh = mesh_of()
    params = {"w": jax.device_put(jnp.ones((8, 4)), jax.NamedSharding(mesh, P())), "rest": np.ones(3, np.float32)}
    tx = gx.lion(0.1)
    spread = jax.device_put(tx.init(params), state_shardings(tx, params, mesh, zero="x"))
    kept = beside(params, spread)
    assert jax.tree.map(lambda leaf: leaf.sharding.spec, kept) == jax.tree.map(lambda leaf: leaf.sharding.spec, spread)
    save(tmp_path, step=1, tx=tx, params=params, state=tx.init(params))
    assert restore(tmp_path, params=params).state["lion"]["scale_by_momentum"]["two_rate_average"]["average"]["rest"].shape == (3,)


def test_rows_of_aux_come_back_on_meshes_of_both_kinds_of_axes():
    mesh = jax.make_mesh((4, 2), ("data", "model"), axis_types=(jax.sharding.AxisType.Explicit, jax.sharding.AxisType.Auto))
    rows = np.arange(48, dtype=np.float32) / 48
    params, tx = {"w": jax.device_put(jnp.ones(()), jax.NamedSharding(mesh, P()))}, gx.sgd(0.1)

    def loss(params, rows):
        error = params["w"] * rows - 1
        return jnp.mean(error**2), error

    step = make_step(loss, has_aux=True, micro_batches=5)
    metrics = step(tx, params, tx.init(params), jax.device_put(rows, jax.NamedSharding(mesh, P("data"))))[2]
    np.testing.assert_allclose(metrics.aux, rows - 1)


@pytest.mark.parametrize("batch_size", [16, 12])
@pytest.mark.parametrize("kind", [jax.sharding.AxisType.Auto, jax.sharding.AxisType.Explicit], ids=["auto", "explicit"])
def test_fit_takes_batches_of_arrays_that_are_spread(kind, batch_size):
    mesh = jax.make_mesh((8,), ("x",), axis_types=(kind,))
    rows = np.random.default_rng(0).normal(size=(32, 3)).astype(np.float32)

    def trained(params, data):
        return fit(lambda params, batch: jnp.mean((batch @ params["w"]) ** 2), gx.sgd(0.1), params, data, batch_size=batch_size, steps=3)

    params = {"w": np.ones(3, np.float32)}
    spread = jax.device_put(rows, jax.NamedSharding(mesh, P("x")))
    found = trained(jax.device_put(params, jax.NamedSharding(mesh, P())), spread)
    np.testing.assert_allclose(found.params["w"], trained(params, rows).params["w"], rtol=1e-5)


@pytest.mark.parametrize("count", [2, 3, 8, 16])
@pytest.mark.parametrize("spec", [P(), P("x")], ids=["replicated", "sharded"])
def test_micro_batches_of_a_batch_on_many_devices_with_explicit_axes(count, spec):
    """Also where a micro-batch has fewer examples than there are devices, or a number that they do not divide."""
    mesh = jax.make_mesh((8,), ("x",), axis_types=(jax.sharding.AxisType.Explicit,))
    batch = {"x": np.random.default_rng(0).normal(size=(16, 8)).astype(np.float32), "y": np.arange(16, dtype=np.float32)}
    params, tx = {"w": np.zeros(8, np.float32)}, gx.adam(0.1)

    def loss(params, batch):
        w = params["w"]
        error = batch["x"] @ (
            jax.sharding.reshard(w, jax.typeof(w).sharding.update(spec=P(None))) if any(jax.typeof(w).sharding.spec) else w
        )
        error = error - batch["y"]
        return jnp.mean(error**2), {"error": error, "mean": jnp.mean(error)}

    def after(params, batch):
        step = make_step(loss, has_aux=True, micro_batches=count)
        state = step.init(tx, params)
        for _ in range(2):
            params, state, metrics = step(tx, params, state, batch)
        return params, state, metrics

    found = after(jax.device_put(params, jax.NamedSharding(mesh, spec)), jax.device_put(batch, jax.NamedSharding(mesh, P("x"))))
    close(jax.device_get(found), after(jax.device_put(params), batch), rtol=1e-5, atol=1e-6)
    assert found[2].aux["error"].sharding.spec[0] == "x"
