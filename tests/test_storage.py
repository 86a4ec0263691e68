"""Codecs against code books written here, what a stored moment promises, and parameters in half precision that lose no update."""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.extend.core import jaxprs_in_params

import gradtx as gx
from gradtx._core.rounding import rounded
from gradtx._core.run import Context
from gradtx._core.signals import Signals
from gradtx._storage.blocks import extents
from gradtx._storage.dynamic_code import decoded, encoded
from gradtx.testing._laws.values import every_name
from tests import memory
from tests.cases import CASES
from tests.references.problem import STEPS, draws

RNG = np.random.default_rng(0)


def dynamic_book(bits, signed):
    """Dettmers et al. 2021, section 1.3: each leading zero is a factor of ten, the bits behind the indicator a linear fraction."""
    numbers = {0.0 if signed else 10.0 ** -(bits - 1), 1.0}
    length = bits - 1 if signed else bits
    for pattern in range(1 if signed else 2, 2**length):
        written = format(pattern, f"0{length}b")
        zeros = written.index("1")
        fraction = written[zeros + 1 :]
        pieces = 2 ** len(fraction)
        number = 10.0**-zeros * (0.1 + 0.9 * (int(fraction or "0", 2) + 0.5) / pieces)
        numbers |= {number, -number} if signed else {number}
    return np.sort(list(numbers))


def coding(codec, nonnegative):
    context = Context(Signals(step=jnp.zeros((), jnp.int32)))
    return codec.form.open(codec.arguments, context)(nonnegative)


def there_and_back(codec, x, nonnegative, key=None):
    of = coding(codec, nonnegative)
    return np.asarray(of.decode(of.encode(jnp.asarray(x), key), jax.ShapeDtypeStruct(x.shape, x.dtype)))


@pytest.mark.parametrize(("bits", "signed"), [(8, True), (8, False), (4, True)])
def test_the_dynamic_code_is_the_nearest_in_the_book(bits, signed):
    book = dynamic_book(bits, signed)
    assert len(book) == 2**bits
    with jax.enable_x64(True):
        all_codes = decoded(jnp.arange(2**bits, dtype=jnp.uint8), bits, signed, jnp.dtype("float64"))
        np.testing.assert_allclose(np.sort(all_codes), book, rtol=1e-14)
        x = np.concatenate(
            [RNG.uniform(-1 if signed else 0, 1, 5000), 10.0 ** RNG.uniform(-9, 0, 5000), [0.0, 1.0, -1.0 if signed else 0.0]]
        )
        found = np.asarray(decoded(encoded(jnp.asarray(x), bits, signed), bits, signed, jnp.dtype("float64")))
    nearest = np.min(np.abs(x[:, None] - book), axis=1)
    assert np.max(np.abs(x - found) - nearest) < 1e-15


def test_eight_bits_by_hand():
    """Blocks of 4 along the last axis, the shorter one at its end."""
    x = RNG.normal(size=(3, 10)).astype(np.float32)
    for nonnegative in (False, True):
        given = x**2 if nonnegative else x
        book, expected = dynamic_book(8, not nonnegative), np.zeros_like(x)
        for row in range(3):
            for begin in range(0, 10, 4):
                block = given[row, begin : begin + 4]
                scale = np.max(np.abs(block))
                near = np.argmin(np.abs(block[:, None] / scale - book), axis=1)
                expected[row, begin : begin + 4] = scale * book[near]
        np.testing.assert_allclose(there_and_back(gx.int8(4, 0), given, nonnegative), expected, rtol=1e-6)


def test_four_bits_by_hand():
    x = RNG.normal(size=(4, 7)).astype(np.float32)
    book, expected = dynamic_book(4, True), np.zeros_like(x)
    for row in range(4):
        for begin in range(0, 7, 4):
            block = x[row, begin : begin + 4]
            scale = np.max(np.abs(block))
            expected[row, begin : begin + 4] = scale * book[np.argmin(np.abs(block[:, None] / scale - book), axis=1)]
    np.testing.assert_allclose(there_and_back(gx.int4(4, 0), x, False), expected, rtol=1e-6)
    square = x**2
    scale = np.minimum(square.max(axis=1, keepdims=True), square.max(axis=0, keepdims=True))
    levels = np.arange(1, 17) / 16
    near = np.argmin(np.abs((square / scale)[..., None] - levels), axis=-1)
    np.testing.assert_allclose(there_and_back(gx.int4(4, 0), square, True), scale * levels[near], rtol=1e-6)
    codes = coding(gx.int4(4, 0), True).encode(jnp.asarray(square), None)["codes"]
    assert (codes.shape, codes.dtype) == ((4, 4), np.uint8)


CODED = {"int8": gx.int8(8, 0), "int4": gx.int4(8, 0), "companded": gx.companded(8, 0), "bfloat16": gx.bfloat16()}
BOUNDS = {"int8": (0.0071, 0.0036), "int4": (0.113, 1 / 16), "companded": (0.0079, 0.004), "bfloat16": (2**-8, 2**-8)}


@pytest.mark.parametrize("name", CODED)
def test_errors_are_bounded_by_the_largest_of_the_block(name):
    x = (RNG.normal(size=(5, 33)) * 10.0 ** RNG.uniform(-4, 0, size=(5, 33))).astype(np.float32)
    for nonnegative, bound in zip((False, True), BOUNDS[name], strict=True):
        given = x**2 if nonnegative else x
        error = np.abs(there_and_back(CODED[name], given, nonnegative) - given)
        assert 0 < np.max(error) <= bound * np.max(np.abs(given))


@pytest.mark.parametrize("name", CODED)
def test_what_is_above_zero_stays_above_zero_and_zero_stays_zero(name):
    x = np.float32(10.0) ** RNG.uniform(-12, 0, size=(6, 16)).astype(np.float32)
    assert np.all(there_and_back(CODED[name], x, True) > 0)
    zero = np.zeros((6, 16), np.float32)
    assert not np.any(there_and_back(CODED[name], zero, True))
    assert not np.any(there_and_back(CODED[name], zero, False))


def test_blocks_lie_along_the_last_axis_and_fill_up_with_the_ones_before():
    assert extents((64, 1024), 256) == (1, 256)
    assert extents((64, 300), 256) == (1, 150)
    assert extents((4096, 3), 256) == (84, 3)
    assert extents((7,), 256) == (7,)
    assert extents((2, 3, 4), 24) == (2, 3, 4)


def test_the_part_that_squares_says_so():
    """The same codec is signed in momentum and has no sign in the second moment; no argument says which."""
    params = {"w": jnp.ones((8, 8))}
    state = gx.adam(0.1, storage=gx.companded(8, 0)).init(params)
    kept = [
        state["adam"][part]["bias_correction"]["stored"]["ema"]["average"]["codes"]["w"] for part in ("scale_by_momentum", "scale_by_rms")
    ]
    assert [codes.dtype for codes in kept] == [jnp.int8, jnp.uint8]
    stddev = gx.scale_by_stddev(gx.stored(gx.ema(0.9), gx.companded(8, 0)), 1e-8).init(params)["scale_by_stddev"]
    assert [stddev[name]["stored"]["ema"]["average"]["codes"]["w"].dtype for name in ("mean", "second")] == [jnp.int8, jnp.uint8]


ADAMS = ("adam", "adamw", "uncorrected_adam", "nadam", "nadamw", "radam", "amsgrad", "adamax", "adamaxw", "adabelief", "yogi", "laprop")
OTHERS = (
    "sgd",
    "sgdw",
    "adagrad",
    "rmsprop",
    "centered_rmsprop",
    "signum",
    "lion",
    "qhm",
    "qhadam",
    "ademamix",
    "simplified_ademamix",
    "lamb",
)


@pytest.mark.parametrize("name", ADAMS + OTHERS)
def test_stored_moments_go_where_wide_ones_go(name):
    """All slots but running maxima outside are a byte a number, and ten steps go where they go in float32."""
    params = {"w": jnp.asarray(RNG.normal(size=(16, 16)).astype(np.float32))}
    more = {"momentum": gx.trace(0.9)} if name in ("sgd", "rmsprop") else {}
    wide, small = (getattr(gx, name)(0.01, storage=storage, **more) for storage in (None, gx.int8(16, 0)))
    ends = []
    for tx in (wide, small):
        now, state = params, tx.init(params)
        update = jax.jit(tx.update)
        for _ in range(10):
            updates, state = update(now, state, now)
            now = gx.apply_updates(now, updates)
        ends.append((now["w"], sum(leaf.nbytes for leaf in jax.tree.leaves(state))))
    moved, apart = ends[0][0] - params["w"], ends[1][0] - ends[0][0]
    assert 0 < float(jnp.linalg.norm(apart)) < 0.1 * float(jnp.linalg.norm(moved))
    assert ends[1][1] < 0.4 * ends[0][1]


def test_without_a_codec_nothing_changes():
    assert gx.stored(gx.ema(0.9)) == gx.ema(0.9)
    plain = gx.chain(
        gx.scale_by_momentum(gx.bias_correction(gx.ema(0.9))),
        gx.scale_by_rms(gx.bias_correction(gx.ema(0.999)), 1e-8),
        gx.scale_by_learning_rate(0.1),
    )
    params = {"w": jnp.ones((8, 8))}
    assert jax.tree.structure(gx.adam(0.1).init(params)["adam"]) == jax.tree.structure(
        {name: entry for name, entry in plain.init(params).items() if name != "step"}
    )


def test_small_leaves_stay_wide_and_describe_shows_the_bytes():
    params = {"w": jnp.ones((64, 128)), "b": jnp.ones(128), "s": jnp.ones(())}
    tx = gx.adamw(0.1, storage=gx.int8())
    state = tx.init(params)
    kept = state["adamw"]["scale_by_rms"]["bias_correction"]["stored"]["ema"]["average"]
    assert kept["wide"]["w"] is None
    assert kept["wide"]["b"].dtype == jnp.float32
    assert (kept["codes"]["w"].shape, kept["scales"]["w"].shape) == ((64, 128), (32, 1))
    size = 2 * (64 * 128 + 4 * 32 + 4 * 128 + 4) + 4 + 8
    assert size == sum(leaf.nbytes for leaf in jax.tree.leaves(state))
    assert f"{size / 1000:.3g} kB of state" in gx.describe(tx, params)


def eight_bit_adam(x, gradients, block, eta=0.1, b1=0.9, b2=0.999, eps=1e-8):
    """Dettmers et al. 2021, section 2: Adam, whose two averages are in the dynamic code between two steps."""
    signed, unsigned = dynamic_book(8, True), dynamic_book(8, False)

    def rounded(v, book):
        for k in range(0, v.size, block):
            part = v.reshape(-1)[k : k + block]
            scale = np.max(np.abs(part))
            part[:] = scale * book[np.argmin(np.abs(part[:, None] / scale - book), axis=1)]
        return v

    m = v = np.zeros_like(x)
    for t, g in enumerate(gradients, start=1):
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
        x = x - eta * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps)
        m, v = rounded(m.copy(), signed), rounded(v.copy(), unsigned)
        yield x


def test_eight_bit_adam_is_the_papers():
    start, gradients = draws()
    with jax.enable_x64(True):
        tx = gx.adam(0.1, storage=gx.int8(4, 12))
        params, state = jnp.asarray(start["matrix"]), tx.init(jnp.asarray(start["matrix"]))
        step = jax.jit(lambda g, s, p: tx.update(g, s, p))
        for g, expected in zip(gradients["matrix"], eight_bit_adam(start["matrix"], gradients["matrix"], 4), strict=True):
            updates, state = step(jnp.asarray(g), state, params)
            params = gx.apply_updates(params, updates)
            assert np.max(np.abs(params - expected)) < 1e-9 * STEPS


def test_sm3_is_optaxs():
    start, gradients = draws()
    with jax.enable_x64(True):
        params = {name: jnp.asarray(start[name]) for name in ("matrix", "vector")}
        ours, theirs = gx.sm3(0.1), optax.sm3(0.1)
        a, b, s, t = params, params, ours.init(params), theirs.init(params)
        for k in range(STEPS):
            grads = {name: jnp.asarray(gradients[name][k]) for name in params}
            u, s = ours.update(grads, s, a)
            v, t = theirs.update(grads, t, b)
            a, b = gx.apply_updates(a, u), gx.apply_updates(b, v)
        for name in params:
            np.testing.assert_allclose(a[name], b[name], rtol=1e-12, atol=1e-12)


def test_rank_one_is_exact_for_outer_products_and_covers_are_from_above():
    square = np.abs(np.outer(RNG.normal(size=9), RNG.normal(size=7))).astype(np.float32)
    np.testing.assert_allclose(there_and_back(gx.rank_one(2), square, True), square, rtol=1e-5)
    other = (RNG.normal(size=(4, 5, 6)) ** 2).astype(np.float32)
    assert np.all(there_and_back(gx.cover(), other, True) >= other)
    np.testing.assert_allclose(
        there_and_back(gx.block_mean((0, -1)), other, True), np.broadcast_to(other.mean((0, 2), keepdims=True), other.shape), rtol=1e-5
    )
    by_index = [other[:, k].mean() * np.ones((4, 6)) for k in range(5)]
    np.testing.assert_allclose(there_and_back(gx.channel_mean((1,)), other, True), np.stack(by_index, 1), rtol=1e-5)
    assert not coding(gx.channel_mean((0, 1)), True).fits((9, 7))
    for codec in (gx.rank_one(2), gx.cover(), gx.block_mean(), gx.channel_mean()):
        assert not coding(codec, False).fits((9, 7))


def stochastic(seed=0):
    return gx.sgd(0.1, gx.ema(0.999), storage=gx.bfloat16(stochastic=True, key=seed))


def run(tx, params, steps, state=None):
    state = tx.init(params) if state is None else state
    update = jax.jit(tx.update)
    for k in range(steps):
        _, state = update(jax.tree.map(lambda p, k=k: p * (1 + 0.1 * k), params), state, params)
    return state


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


def test_random_bits_depend_on_seed_path_and_step_alone():
    values = jnp.asarray(RNG.normal(size=(8, 16)).astype(np.float32))
    params = {"u": values, "w": values}
    one_step = run(stochastic(), params, 1)
    slot = one_step["sgd"]["scale_by_momentum"]["stored"]["ema"]["average"]["values"]
    assert not same(slot["u"], slot["w"])
    assert not same(one_step, run(stochastic(1), params, 1))
    alone = run(stochastic(), {"w": values}, 1)["sgd"]["scale_by_momentum"]["stored"]["ema"]["average"]["values"]
    assert same(alone["w"], slot["w"])
    zero = jax.tree.map(jnp.zeros_like, params)
    again = jax.jit(stochastic().update)(zero, {**one_step, "step": jnp.int32(0)}, params)[1]
    later = jax.jit(stochastic().update)(zero, one_step, params)[1]
    assert not same(again["sgd"], later["sgd"])


def test_random_bits_are_the_same_sharded_mapped_and_resumed():
    params = {"w": jnp.asarray(RNG.normal(size=(8, 16)).astype(np.float32))}
    whole = run(stochastic(), params, 3)
    mesh = jax.make_mesh((8,), ("x",), axis_types=(jax.sharding.AxisType.Auto,))
    for spec in (jax.P("x"), jax.P(None, "x")):
        assert same(whole, run(stochastic(), jax.device_put(params, jax.NamedSharding(mesh, spec)), 3))
    saved = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf)), run(stochastic(), params, 2))
    _, resumed = jax.jit(stochastic().update)(jax.tree.map(lambda p: p * 1.2, params), saved, params)
    assert same(whole, resumed)
    for axis in (0, 1):
        stacked = jax.tree.map(lambda p, axis=axis: jnp.stack([p, p], axis), params)
        state = jax.vmap(stochastic().init, axis)(stacked)
        for k in range(3):
            grads = jax.tree.map(lambda p, k=k: p * (1 + 0.1 * k), stacked)
            _, state = jax.jit(jax.vmap(stochastic().update, (axis, 0, axis)))(grads, state, stacked)
        assert same(whole, jax.tree.map(lambda leaf: leaf[1], state))


def test_a_slow_average_falls_in_stochastic_bfloat16_and_stalls_without():
    """(0.999)^1000 = 0.37; rounded to nearest it does not move at all."""
    x = jnp.ones((64, 64))
    for stochastically, low, high in ((False, 0.99, 1.0), (True, 0.36, 0.375)):
        tx = gx.stored(gx.running_sum(1.0), gx.bfloat16(stochastic=stochastically))
        (_, state), _ = jax.lax.scan(
            lambda carry, _, tx=tx: ((carry[0], tx.update(-1e-3 * carry[0](carry[1]), carry[1])[1]), None),
            (jax.tree_util.Partial(lambda state: state["stored"]["running_sum"]["sum"]["values"].astype(jnp.float32)), tx.init(x)),
            None,
            length=1000,
        )
        assert low <= float(jnp.mean(state["stored"]["running_sum"]["sum"]["values"].astype(jnp.float32))) <= high


@pytest.mark.parametrize(
    "codec", [*CODED.values(), gx.bfloat16(True, 7), gx.rank_one(3), gx.cover(), gx.block_mean((0, -1)), gx.channel_mean((0, -1))], ids=str
)
def test_a_codec_is_a_value(codec):
    assert eval(repr(codec), every_name()) == codec
    tx = gx.adamw(0.1, storage=codec)
    assert gx.from_spec(json.loads(json.dumps(gx.to_spec(tx)))) == tx
    assert tx.replace(storage=None) == gx.adamw(0.1)


MATRIX = {"w": jnp.asarray(RNG.normal(size=(64, 128)), jnp.float32)}
OWN_RULES = {
    "optimistic_gradient_descent",
    "acprop",
    "madgrad",
    "ftrl",
    "rprop",
    "cocob",
    "dpsgd",
    "dadapt_adamw",
    "dog",
    "dowg",
    "schedule_free_sgd",
    "galore",
    "apollo",
}
"""They remember whole leaves, or averages in coordinates of their own, and none in a moment."""
ROWS = {case.transformation.form.name: case for case in CASES if case.transformation.form.body.__module__.startswith("gradtx._optimizers")}


def state_bytes(tx):
    state = jax.eval_shape(tx.init, MATRIX)
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))


@pytest.mark.parametrize("name", ROWS)
def test_every_optimizer_with_moments_keeps_them_in_fewer_bytes(name):
    case = ROWS[name]
    tx = case.make()
    if "storage" not in tx.form.kinds:
        assert name in OWN_RULES or state_bytes(tx) < MATRIX["w"].size
        return
    small = tx.replace(storage=gx.int8())
    assert state_bytes(small) < state_bytes(tx.replace(storage=None))
    state = small.init(MATRIX)

    def step(state, _):
        updates, state = small.update(MATRIX, state, MATRIX, **case.extras(MATRIX, MATRIX))
        return state, updates

    assert all(jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(jax.lax.scan(step, state, None, length=3)[1]))


def test_what_is_no_codec_is_refused():
    with pytest.raises(TypeError, match=r"adamw: storage is the factory int8, not a codec. Call it: int8\(block=256, smallest=4096\)"):
        gx.adamw(0.1, storage=gx.int8)
    with pytest.raises(TypeError, match=r"adamw: storage must be a codec such as int8\(\), got 'int8'"):
        gx.adamw(0.1, storage="int8")
    with pytest.raises(ValueError, match="int8: block must be at least 1 element, got 0"):
        gx.int8(0)
    with pytest.raises(ValueError, match="compensated_commit: bits must be 8 or 16, got 4"):
        gx.compensated_commit(4)


@functools.partial(jax.jit, static_argnums=0)
def thousand_steps(commit, params, state):
    def body(carry, _):
        params, state = carry
        updates = jax.tree.map(lambda p: jnp.full(p.shape, -1e-3), params)
        params, state = commit(params, updates, state)
        return (params, state), state["stalled"]

    return jax.lax.scan(body, (params, state), None, length=1000)


@pytest.mark.parametrize(
    ("pair", "off"),
    [(gx.stochastic_commit(3), 0.05), (gx.compensated_commit(8), 1e-3), (gx.compensated_commit(16), 2e-5)],
    ids=["stochastic", "8 bits", "16 bits"],
)
def test_a_thousand_small_updates_arrive(pair, off):
    params = {"w": jnp.ones((100,), jnp.bfloat16), "n": jnp.arange(3)}
    nearest = params["w"]
    for _ in range(10):
        nearest = gx.apply_updates(nearest, jnp.full(100, -1e-3))
    assert np.all(np.asarray(nearest, np.float32) == 1)
    params = {"w": params["w"]}
    (moved, state), stalled = thousand_steps(pair.commit, params, pair.init(params))
    assert moved["w"].dtype == jnp.bfloat16
    assert abs(float(jnp.mean(moved["w"].astype(jnp.float32)))) < off
    assert jax.tree.structure(state) == jax.tree.structure(pair.init(params))
    if "residual" in state:
        assert not np.any(stalled["w"])


def test_stalled_elements_are_counted():
    pair = gx.compensated_commit(8)
    params = {"w": jnp.ones(4, jnp.bfloat16), "f": jnp.ones(2), "n": jnp.arange(3), "none": None}
    updates = {"w": jnp.array([1e-6, 0.0, 1e-3, -1e-6]), "f": jnp.array([1e-9, 0.1]), "n": None, "none": None}
    moved, state = pair.commit(params, updates, pair.init(params))
    assert state["stalled"] == {"w": 2, "f": 1, "n": None, "none": None}
    assert moved["n"] is params["n"]
    assert float(moved["f"][1]) == pytest.approx(1.1)
    with pytest.raises(ValueError, match="compensated_commit: the updates have shape"):
        pair.commit(params, {**updates, "w": jnp.ones(3)}, pair.init(params))


def test_stochastic_commits_are_the_same_sharded():
    params = {"w": jnp.ones((8, 4), jnp.bfloat16)}
    pair = gx.stochastic_commit(5)
    mesh = jax.make_mesh((8,), ("x",), axis_types=(jax.sharding.AxisType.Auto,))
    sharded = jax.device_put(params, jax.NamedSharding(mesh, jax.P("x")))
    first, _ = thousand_steps(pair.commit, params, pair.init(params))
    second, _ = thousand_steps(pair.commit, sharded, pair.init(sharded))
    assert same(first, second)
    assert len(set(np.asarray(first[0]["w"], np.float32).ravel())) > 3


def test_the_page_shows_the_bytes_of_every_optimizer():
    """Run `python -m tests.memory` where it does not."""
    assert memory.table() in memory.PAGE.read_text()
    assert memory.rows()["adamw"] == pytest.approx((8.0, 4.0, 2.03, 1.04), abs=0.01)
    assert memory.rows()["lion"][0] == pytest.approx(4.0, abs=0.01)


def converted_back(jaxpr):
    """The conversions of floats to a narrower dtype that another conversion takes back at once, in a program and those inside it."""
    makers = {}
    for equation in jaxpr.eqns:
        if equation.primitive.name == "convert_element_type":
            (taken,), (given,) = equation.invars, equation.outvars
            before = makers.get(taken)
            if before is not None and before.aval.dtype == given.aval.dtype and before.aval.dtype.itemsize > taken.aval.dtype.itemsize:
                yield equation
            makers[given] = taken
        for inner in jaxprs_in_params(equation.params):
            yield from converted_back(inner)


def rounded_off(x):
    return x - x.astype(jnp.bfloat16).astype(x.dtype)


def committing(pair, params, updates):
    return pair.commit(params, updates, pair.init(params))


def remembering(average, x):
    tx = gx.stored(average, gx.bfloat16(stochastic=True))
    return tx.update(x, tx.init(x))


@pytest.mark.parametrize("half", [jnp.bfloat16, jnp.float16], ids=["bfloat16", "float16"])
@pytest.mark.parametrize(
    "function",
    [
        functools.partial(committing, gx.stochastic_commit(3)),
        functools.partial(committing, gx.compensated_commit(8)),
        functools.partial(committing, gx.compensated_commit(16)),
        lambda x, u: remembering(gx.ema(0.9), u),
    ],
    ids=["stochastic_commit", "compensated_commit, 8 bits", "compensated_commit, 16 bits", "bfloat16 storage"],
)
def test_what_rounding_cuts_off_is_not_the_difference_of_two_conversions(function, half):
    """XLA on a GPU takes a conversion and the one back for none at all: what was cut off would be zero there."""
    assert len(list(converted_back(jax.make_jaxpr(rounded_off)(jnp.ones(3)).jaxpr))) == 1
    program = jax.make_jaxpr(function)(jnp.ones((8, 8), half), jnp.ones((8, 8)))
    assert not list(converted_back(program.jaxpr))


@pytest.mark.parametrize("half", [jnp.bfloat16, jnp.float16], ids=["bfloat16", "float16"])
def test_rounding_is_to_the_nearest_of_the_narrower_dtype(half):
    generator = np.random.default_rng(0)
    edges = [0.0, -0.0, np.inf, -np.inf, np.nan, 65504, 65519.99, 65520, 2.0**-24, 2.0**-25, 2.0**-25 * 1.0001, 2.0**-14, 3.3895e38, 3.4e38]
    x = np.concatenate([generator.normal(size=50000) * 10.0 ** generator.uniform(-9, 6, 50000), edges]).astype(np.float32)
    with np.errstate(over="ignore"):
        expected = x.astype(half).astype(np.float32)
    got = jax.jit(lambda x: rounded(x, half))(x)
    np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(np.signbit(got), np.signbit(expected))


@pytest.mark.parametrize("name", CODED)
def test_a_codec_compiles_to_nothing_that_looks_numbers_up(name):
    params = {"w": jnp.ones((64, 320)), "v": jnp.ones(5000)}
    tx = gx.adamw(1e-3, storage=CODED[name])
    step = jax.jit(tx.update).lower(params, tx.init(params), params).compile().as_text()
    assert " gather(" not in step
    assert " scatter(" not in step


@pytest.mark.parametrize("name", ["int8", "int4", "companded"])
def test_the_zeros_of_a_new_state_are_not_encoded_by_the_compiler(name):
    """It does so number by number: half a minute for a large embedding."""
    program = jax.jit(gx.adamw(1e-3, storage=CODED[name]).init).lower({"w": jnp.ones((64, 320))}).compile()
    assert " reduce(" in program.as_text()
