"""Optimizers in other coordinates: turned and turned back, refreshed in turns, without rotation what they are outside."""

import itertools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradtx as gx
from tests.certified.matrix import is_matrix


def steps(tx, gradients, params):
    """Updates and states of all steps."""
    state = tx.init(params)
    for g in gradients:
        updates, state = tx.update(g, state, params)
        yield updates, state


def drawn(shape, count, seed=0):
    return [jnp.asarray(g) for g in np.random.default_rng(seed).normal(size=(count, *shape))]


def test_linear_parts_do_not_see_the_basis():
    with jax.enable_x64(True):
        gradients = drawn((5, 3), 6)
        inside = gx.in_basis(gx.kronecker_eigenbasis(gx.ema(0.9), 2), gx.scale(0.3))
        for k, (g, (updates, _)) in enumerate(zip(gradients, steps(inside, gradients, gradients[0]), strict=True)):
            assert jnp.allclose(updates, 0.3 * g if k else 0, atol=1e-14)


def test_a_side_that_is_too_long_is_not_turned():
    """With no side turned it is the inner optimizer, but for the first step."""
    with jax.enable_x64(True):
        gradients = drawn((5, 3), 5)
        inside = gx.in_basis(gx.kronecker_eigenbasis(gx.ema(0.9), 2, max_size=2), gx.scale_by_rms(gx.ema(0.9), 1e-8))
        outside = gx.scale_by_rms(gx.ema(0.9), 1e-8)
        turned = [updates for updates, _ in steps(inside, gradients, gradients[0])]
        plain = [updates for updates, _ in steps(outside, gradients[1:], gradients[0])]
        assert jnp.allclose(jnp.stack(turned[1:]), jnp.stack(plain), atol=1e-12)
        state = inside.init(gradients[0])["in_basis"]["basis"]["kronecker_eigenbasis"]
        assert state["left"] is None
        one = gx.kronecker_eigenbasis(gx.ema(0.9), max_size=4).init(gradients[0])["kronecker_eigenbasis"]
        assert one["left"] is None
        assert one["right"].shape == (3, 3)


def test_the_basis_diagonalises_its_statistics():
    with jax.enable_x64(True):
        gradients = drawn((4, 6), 30)
        tx = gx.kronecker_eigenbasis(gx.ema(0.9), every=1)
        *_, (_, state) = steps(tx, gradients, gradients[0])
        for _ in range(200):
            _, state = tx.update(0 * gradients[0], state)
        entries = state["kronecker_eigenbasis"]
        for side, moment in (("left", entries["moment"]["left"]), ("right", entries["moment"]["right"])):
            q, s = np.asarray(entries[side]), np.asarray(moment["ema"]["average"])
            turned = q.T @ s @ q
            assert np.allclose(q.T @ q, np.eye(len(q)), atol=1e-12)
            assert np.max(np.abs(turned - np.diag(np.diag(turned)))) < 1e-6 * np.max(turned)


def test_leaves_of_one_size_take_turns():
    """Five matrices in four steps: two at a time, until there are none left."""
    params = {f"w{k}": jnp.ones((3, 2)) for k in range(5)}
    gradients = [dict(zip(params, drawn((5, 3, 2), 1, seed)[0], strict=True)) for seed in range(9)]
    tx = gx.kronecker_eigenbasis(gx.ema(0.9), every=4)
    states = [state["kronecker_eigenbasis"]["left"] for _, state in steps(tx, gradients, params)]
    turned = [[k for k in range(5) if not jnp.array_equal(a[f"w{k}"], b[f"w{k}"])] for a, b in itertools.pairwise(states)]
    assert turned == [[2, 3], [4], [], [0, 1], [2, 3], [4], [], [0, 1]]


def decompositions(leaves):
    params = {f"w{k}": jax.ShapeDtypeStruct((6, 8), jnp.float32) for k in range(leaves)}
    tx = gx.soap(0.1, is_matrix)
    program = jax.jit(tx.update).lower(params, jax.eval_shape(tx.init, params), params).as_text()
    return len(re.findall(r"custom_call @\w*(?:syevd|geqrf)", program))


def test_equal_sizes_are_one_batch():
    assert decompositions(2) == decompositions(9) == 4


def test_soap_moves_no_matrix_before_it_has_a_basis():
    params = {"w": jnp.ones((3, 2)), "b": jnp.ones(3)}
    first, second = (updates for updates, _ in steps(gx.soap(0.1, is_matrix, weight_decay=0.0), [params, params], params))
    assert not jnp.any(first["w"])
    assert jnp.all(first["b"] != 0)
    assert jnp.any(second["w"] != 0)


def test_eigenvalues_need_a_basis():
    with pytest.raises(ValueError, match=r"write in_basis\(kronecker_eigensystem"):
        gx.scale_by_eigenvalues(0.25, 1e-8).update(jnp.ones((2, 2)), gx.scale_by_eigenvalues(0.25, 1e-8).init(jnp.ones((2, 2))))


def test_only_a_basis_makes_coordinates():
    with pytest.raises(ValueError, match="this one names no axes"):
        gx.in_basis(gx.ema(0.9), gx.sgd(0.1)).init(jnp.ones((2, 2)))
    with pytest.raises(ValueError, match=r"kronecker_eigenbasis is for matrices, and the leaf at b has shape \(3,\)"):
        gx.kronecker_eigenbasis(gx.ema(0.9)).init({"b": jnp.ones(3)})


@pytest.mark.parametrize("make", [gx.soap, gx.shampoo, gx.galore, gx.kl_shampoo, lambda lr, where: gx.dion(lr, where, 7)])
def test_a_basis_stays_where_it_was_made(make):
    """On eight devices: two steps share one compilation, and no slot moves."""
    mesh = jax.make_mesh((8,), ("x",), axis_types=(jax.sharding.AxisType.Auto,))
    where = jax.NamedSharding(mesh, jax.P("x"))
    params = {"w": jax.device_put(jnp.ones((16, 8)), where), "b": jax.device_put(jnp.ones(8), where)}
    tx = make(0.1, is_matrix)
    state = tx.init(params)
    step = jax.jit(tx.update)
    _, after = step(params, state, params)
    step(params, after, params)
    assert step._cache_size() == 1
    for before, now in zip(jax.tree.leaves(state), jax.tree.leaves(after), strict=True):
        assert now.sharding.is_equivalent_to(before.sharding, now.ndim)


def test_low_rank_state_is_small_and_the_update_has_that_rank():
    """Adam's moments take rows of the longer side alone, whichever side that is."""
    for shape in ((6, 20), (20, 6)):
        g = jax.random.normal(jax.random.key(0), shape)
        tx = gx.in_basis(gx.low_rank_basis(2), gx.adam(0.1))
        updates, state = tx.update(g, tx.init(g), g)
        assert sum(leaf.size for leaf in jax.tree.leaves(state["in_basis"]["inner"])) == 2 * 40 + 2
        assert jnp.linalg.matrix_rank(updates, rtol=1e-4) == 2


def test_random_directions_are_new_once_in_a_while():
    """They keep lengths on average, and change with the key, the leaf and the period."""
    g = {"a": jnp.ones((4, 300)), "b": jnp.ones((4, 300))}
    tx = gx.scaled_in_basis(gx.random_basis(64, 0, 2), gx.sign(), 1e-12)
    turned = [updates for updates, _ in steps(tx, [g] * 4, g)]
    assert jnp.array_equal(turned[0]["a"], turned[1]["a"])
    assert jnp.array_equal(turned[2]["a"], turned[3]["a"])
    assert not jnp.allclose(turned[0]["a"], turned[2]["a"])
    assert not jnp.allclose(turned[0]["a"], turned[0]["b"])
    assert jnp.allclose(turned[0]["a"], turned[0]["a"][0, 0])
    inside = gx.in_basis(gx.random_basis(2000, 0), gx.scale(1.0))
    assert jnp.allclose(inside.update(g, inside.init(g))[0]["a"], g["a"], atol=0.3)


def test_norms_grow_by_a_factor_at_most():
    tx = gx.limit_norm_growth(1.5)
    sizes = [1.0, 10.0, 1.0, 0.0, 7.0]
    norms = [float(jnp.linalg.norm(u)) for u, _ in steps(tx, [s * jnp.array([0.6, 0.8]) for s in sizes], jnp.zeros(2))]
    assert np.allclose(norms, [1.0, 1.5, 1.0, 0.0, 7.0])


def test_kron_whitens_what_has_a_kronecker_covariance_and_stays_bounded_without_gradient():
    """Gradients L Z R with Z Gaussian leave it as uncorrelated numbers of variance 1."""
    left, right = np.array([[1.0, 0.0, 0.0], [3.0, 10.0, 0.0], [0.0, 20.0, 50.0]]), np.diag([1.0, 0.1, 10.0, 3.0])
    tx = gx.scale_by_kron(3, 1.0)

    def step(state, key):
        updates, state = tx.update({"w": left @ jax.random.normal(key, (3, 4)) @ right}, state)
        return state, updates["w"].ravel()

    state, updates = jax.lax.scan(step, tx.init({"w": jnp.zeros((3, 4))}), jax.random.split(jax.random.key(0), 3000))
    np.testing.assert_allclose(np.cov(updates[1000:].T), np.eye(12), atol=0.3)
    zero = {"w": jnp.zeros((3, 4))}
    still, _ = jax.lax.scan(lambda state, _: (tx.update(zero, state)[1], None), state, None, length=2000)
    factors = still["scale_by_kron"]["factors"]
    assert all(bool(jnp.all(jnp.abs(q["w"]) < 1e6)) for q in factors.values())


def test_kron_fits_at_its_period():
    tx, x = gx.scale_by_kron(3, 7.0), {"w": jnp.ones((3, 4))}
    state, fits = tx.init(x), []
    for k in range(30):
        _, new = tx.update(x, state)
        moved = not np.array_equal(new["scale_by_kron"]["factors"]["axis_0"]["w"], state["scale_by_kron"]["factors"]["axis_0"]["w"])
        fits, state = fits + [k] * moved, new
    assert fits == [0, 7, 14, 21, 28]


def test_blocks_are_leaves_of_their_own():
    """Shampoo in blocks is Shampoo on the blocks, with as much state; what fits in one block stays as it is."""
    params = {"w": drawn((5, 7), 1)[0], "small": drawn((3, 2), 1)[0], "b": drawn((9,), 1)[0]}
    cuts = {
        "block_0_0": np.s_[:3, :3],
        "block_0_1": np.s_[:3, 3:6],
        "block_0_2": np.s_[:3, 6:],
        "block_1_0": np.s_[3:, :3],
        "block_1_1": np.s_[3:, 3:6],
        "block_1_2": np.s_[3:, 6:],
    }

    def apart(tree):
        return {**tree, "w": {name: tree["w"][where] for name, where in cuts.items()}}

    gradients = [{name: g[k] for name, g in {name: drawn(p.shape, 6, 3) for name, p in params.items()}.items()} for k in range(6)]
    whole, pieces = gx.shampoo(0.1, is_matrix, every=2, block=3), gx.shampoo(0.1, is_matrix, every=2)
    runs = zip(steps(whole, gradients, params), steps(pieces, map(apart, gradients), apart(params)), strict=True)
    for (updates, state), (expected, alone) in runs:
        assert sum(leaf.size for leaf in jax.tree.leaves(state)) == sum(leaf.size for leaf in jax.tree.leaves(alone))
        for name, where in cuts.items():
            np.testing.assert_allclose(updates["w"][where], expected["w"][name], rtol=1e-5, atol=1e-6)
        for name in ("small", "b"):
            np.testing.assert_allclose(updates[name], expected[name], rtol=1e-5, atol=1e-6)
    assert gx.in_blocks(gx.sgd(0.1)) == gx.sgd(0.1)
    with pytest.raises(ValueError, match="size must be at least 1, got 0"):
        gx.in_blocks(gx.sgd(0.1), 0).init(params)


def test_kl_factors_have_the_size_of_the_covariance():
    """Gradients of covariance L ⊗ R come out uncorrelated with variance 1, whatever their sizes, without a graft."""
    left, right = np.diag([1.0, 30.0, 0.1]), np.array([[2.0, 0.0], [5.0, 0.3]])
    tx = gx.in_basis(gx.kl_eigensystem(0.99, 2), gx.scale_by_eigenvalues(0.5, 1e-8))

    def step(state, key):
        updates, state = tx.update({"w": left @ jax.random.normal(key, (3, 2)) @ right}, state)
        return state, updates["w"].ravel()

    _, updates = jax.lax.scan(step, tx.init({"w": jnp.zeros((3, 2))}), jax.random.split(jax.random.key(1), 4000))
    np.testing.assert_allclose(np.cov(updates[2000:].T), np.eye(6), atol=0.2)


def test_kl_stays_finite_without_gradient_and_after_a_huge_one():
    tx, x = gx.kl_shampoo(0.1, is_matrix), {"w": jnp.ones((3, 4))}
    state = tx.init(x)
    for size, count in ((1.0, 3), (0.0, 3000), (1e30, 2), (1.0, 50)):

        def step(state, _, size=size):
            updates, state = tx.update({"w": size * jnp.ones((3, 4))}, state, x)
            return state, updates

        state, updates = jax.lax.scan(step, state, None, length=count)
        assert all(bool(jnp.all(jnp.isfinite(leaf))) for leaf in jax.tree.leaves((state, updates)))


def test_kl_sides_that_are_too_long_have_values_alone():
    """Without vectors the factors are diagonals a and b, each the mean of squares in units of the other."""
    gradients, a, b = drawn((3, 4), 6), np.full(3, 0.1), np.full(4, 0.1)
    tx = gx.in_basis(gx.kl_eigensystem(0.9, 2, max_size=1), gx.scale_by_eigenvalues(0.5, 1e-12))
    for k, (g, (updates, _)) in enumerate(zip(gradients, steps(tx, gradients, gradients[0]), strict=True)):
        expected = np.asarray(g) / np.sqrt(np.outer(a, b)) if k else np.zeros((3, 4))
        np.testing.assert_allclose(updates, expected, rtol=1e-4)
        square = np.asarray(g) ** 2
        if k:
            a, b = 0.9 * a + 0.1 * np.mean(square / b, axis=1), 0.9 * b + 0.1 * np.mean(square / a[:, None], axis=0)
