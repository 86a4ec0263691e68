"""Steepest descent under norms of matrices: how near the polar factor, how many operations, for which leaves."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import gradtx as gx
from tests.certified.matrix import is_matrix
from tests.references import matrix


def applied(tx, updates, params=None):
    return tx.update(updates, tx.init(updates if params is None else params), params)[0]


def with_singular_values(sigma, shape, seed=0):
    rng = np.random.default_rng(seed)
    u, v = (np.linalg.qr(rng.normal(size=(side, sigma.size)))[0] for side in shape)
    return u @ np.diag(sigma) @ v.T, u @ v.T


DOCUMENTED = {
    "jordan": (0.32, 0.53),
    "tuned": (0.032, 0.53),
    "polar_express": (0.142, 0.154),
    "polar_express_8": (1e-5, 1e-5),
    "deepseek": (6e-4, 6e-4),
}


@pytest.mark.parametrize("name", DOCUMENTED)
@pytest.mark.parametrize(("k", "least"), [(0, 1e-2), (1, 1e-3)])
def test_distance_from_the_polar_factor_is_the_documented(name, k, least):
    """In the spectral norm, against the decomposition, for singular values from `least` of the norm up to nearly the norm."""
    with jax.enable_x64(True):
        worst = 0.0
        for largest in np.geomspace(least, 0.999, 12):
            sigma = np.append(np.geomspace(least, largest, 60), np.sqrt(max(1 - 60 * largest**2, 0)))
            sigma = sigma / max(np.linalg.norm(sigma), 1)
            g, polar = with_singular_values(sigma, (70, 90))
            worst = (
                max(worst, np.linalg.norm(applied(gx.orthogonalize(name), jnp.asarray(g)) - polar, 2))
                if sigma.min() >= 0.999 * least
                else worst
            )
    bound = DOCUMENTED[name][k]
    assert worst < bound
    assert worst > bound / 2 or bound <= 1e-5


@pytest.mark.parametrize("name", [*DOCUMENTED, "aol"])
def test_half_precision_is_near_full_precision(name):
    g = jax.random.normal(jax.random.key(0), (64, 256))
    full, tensor, half = (applied(gx.orthogonalize(name, precision), g) for precision in ("full", "tensorfloat32", "bfloat16"))
    assert 1e-4 < np.linalg.norm(full - half, 2) < 0.1
    assert np.linalg.norm(full - tensor, 2) < 0.02


def test_tensorfloat32_is_asked_for_by_its_name():
    """What a backend makes of it, and of "full", is its own affair: ten bits, and all of them, on a GPU."""
    program = jax.make_jaxpr(lambda g: applied(gx.orthogonalize(precision="tensorfloat32"), g))
    with jax.default_matmul_precision("bfloat16"):
        asked = str(program(jnp.ones((2, 3))))
        whole = str(jax.make_jaxpr(lambda g: applied(gx.orthogonalize(), g))(jnp.ones((2, 3))))
    assert "Precision.HIGH," in asked
    assert "Precision.HIGHEST" not in asked
    assert "Precision.HIGHEST," in whole


def test_aol_is_near_the_polar_factor_of_a_gaussian_matrix():
    g = np.random.default_rng(0).normal(size=(256, 1024))
    u, _, v = np.linalg.svd(g, full_matrices=False)
    error = np.linalg.norm(applied(gx.orthogonalize("aol"), jnp.asarray(g, jnp.float32)) - u @ v, 2)
    assert 0.005 < error < 0.02


def test_a_table_of_ones_own_is_iterated_as_written():
    g = np.random.default_rng(1).normal(size=(5, 3))
    table = ((1.5, -0.5, 0.0), (1.875, -1.25, 0.375))
    with jax.enable_x64(True):
        ours = applied(gx.orthogonalize_by(table), jnp.asarray(g))
    assert np.allclose(ours, matrix.orthogonal(g, table), atol=1e-14)
    with pytest.raises(ValueError, match=r"table\[1\] must be three numbers a, b, c, got 2"):
        gx.orthogonalize_by(((1.0, 2.0, 3.0), (1.0, 2.0))).init(g)


def products(leaves, shape=(6, 8)):
    params = {f"w{k}": jax.ShapeDtypeStruct(shape if k % 2 else shape[::-1], jnp.float32) for k in range(leaves)}
    tx = gx.muon(0.1, is_matrix)
    program = jax.jit(tx.update).lower(params, jax.eval_shape(tx.init, params), params).as_text()
    return len(re.findall("dot_general", program))


def test_equal_shapes_are_one_batch():
    """Three products in one loop, for one pair of transposed leaves and for twenty."""
    assert products(2) == products(20) == 3


@pytest.mark.parametrize("part", [gx.orthogonalize(), gx.orthogonalize_by(((1.5, -0.5, 0.0),)), gx.scale_by_larger_side()])
def test_a_leaf_that_is_no_matrix_is_named(part):
    with pytest.raises(ValueError, match=rf"{part.form.name} is for matrices, and the leaf at layer/b has shape \(3,\)"):
        part.init({"layer": {"b": jnp.ones(3), "w": jnp.ones((2, 3))}})


def test_muon_treats_what_is_not_chosen_as_adamw_does():
    params = {"embedding": jnp.ones((5, 4)), "hidden": jnp.ones((4, 4)), "b": jnp.ones(4)}
    grads = jax.tree.map(lambda p: jax.random.normal(jax.random.key(p.size), p.shape), params)
    ours = applied(gx.muon(0.1, "hidden"), grads, params)
    adamw = applied(gx.adamw(0.1, 0.9, 0.95, 1e-8, 0.1), grads, params)
    assert jnp.allclose(ours["embedding"], adamw["embedding"])
    assert jnp.allclose(ours["b"], adamw["b"])
    assert not jnp.allclose(ours["hidden"], adamw["hidden"])
    with pytest.raises(ValueError, match="leaf at b has shape"):
        gx.muon(0.1, None).init(params)


def test_muon_steps_are_pytorchs():
    """PyTorch multiplies in bfloat16 throughout; the first convention and the one that matches AdamW."""
    gradients = np.random.default_rng(0).normal(size=(4, 24, 16)).astype(np.float32)
    scalings = {"match_rms_adamw": gx.muon(0.1, None), "original": gx.muon(0.1, None, scaling=gx.scale_by_tall_aspect_ratio(0))}
    for name, tx in scalings.items():
        theirs = torch.nn.Parameter(torch.ones(24, 16))
        optimizer = torch.optim.Muon([theirs], lr=0.1, weight_decay=0.1, momentum=0.95, adjust_lr_fn=name)
        ours = jnp.ones((24, 16))
        state = tx.init(ours)
        for g in gradients:
            theirs.grad = torch.tensor(g)
            optimizer.step()
            updates, state = tx.update(jnp.asarray(g), state, ours)
            ours = gx.apply_updates(ours, updates)
        moved = theirs.detach().numpy() - 1
        assert np.linalg.norm(ours - 1 - moved) < 0.02 * np.linalg.norm(moved), name


def test_scales_by_shape():
    u = jnp.ones((2, 8))
    assert jnp.allclose(applied(gx.scale_by_larger_side(), u), 8**0.5)
    assert jnp.allclose(applied(gx.scale_by_aspect_ratio(), u), 2.0)
    assert jnp.allclose(applied(gx.scale_by_aspect_ratio(0), u), 0.5)
    assert jnp.allclose(applied(gx.scale_by_tall_aspect_ratio(), u), 2.0)
    assert jnp.allclose(applied(gx.scale_by_tall_aspect_ratio(0), u), 1.0)
    assert jnp.allclose(applied(gx.scale_by_inputs(), u), 1 / 2)
    assert jnp.allclose(applied(gx.scale_by_inputs(0), u), 1 / 8)


def test_scion_steps_by_signs_over_inputs_in_matrices_that_are_not_chosen():
    x, g = ({name: jax.random.normal(jax.random.key(seed), (2, 8)) for name in ("hidden", "head")} for seed in (0, 1))
    tx = gx.scion(0.1, "hidden", 5.0, 7.0, weight_decay=0.5)
    updates, _ = tx.update(g, tx.init(x), x)
    np.testing.assert_allclose(updates["head"], -0.1 * (7.0 * np.sign(g["head"]) / 2 + 0.5 * np.asarray(x["head"])), rtol=1e-5)


def test_what_stands_behind_a_partition_sees_the_gradient_of_before():
    """A momentum in one branch freezes the gradient there; in the other branch it still follows the updates."""
    tx = gx.chain(gx.partition(("a", gx.trace(0.9)), (None, gx.scale(2.0))), gx.scale_by_rms(gx.running_sum(), 1e-12))
    grads = {"a": jnp.ones(2), "b": jnp.ones(2)}
    state = tx.init(grads)
    _, state = tx.update(grads, state)
    _, state = tx.update(grads, state)
    assert jnp.allclose(state["scale_by_rms"]["running_sum"]["sum"]["a"], 2.0)
    assert jnp.allclose(state["scale_by_rms"]["running_sum"]["sum"]["b"], 8.0)


def test_norms_of_leaves_rows_and_columns():
    u = jnp.array([[3.0, 4.0], [0.0, 0.0], [6.0, 8.0]])
    assert jnp.allclose(applied(gx.normalize(1e-12), u), u / 125**0.5)
    assert jnp.allclose(applied(gx.normalize(25.0), jnp.array([3.0, 4.0])), jnp.array([0.1, 4 / 30]))
    assert jnp.allclose(applied(gx.normalize_rms(1e-12), u), u / (125 / 6) ** 0.5)
    assert jnp.allclose(applied(gx.normalize_rows(1e-12), u), jnp.array([[0.6, 0.8], [0.0, 0.0], [0.6, 0.8]]))
    assert jnp.allclose(applied(gx.normalize_columns(1e-12), u), u / jnp.array([45**0.5, 80**0.5]))


def test_sinkhorn_evens_rows_and_columns():
    u = jnp.exp(jax.random.normal(jax.random.key(0), (5, 8)))
    even = applied(gx.sinkhorn(30), u)
    assert jnp.allclose(jnp.mean(even**2, axis=0), 1.0, atol=1e-5)
    assert jnp.allclose(jnp.mean(even**2, axis=1), 1.0, atol=1e-5)
    ratio = even / u
    assert jnp.allclose(ratio * ratio[0, 0], ratio[:, :1] * ratio[:1], rtol=1e-4)


def test_output_mean_keeps_one_number_for_each_output():
    x = jnp.array([[1.0, 2.0, 3.0], [3.0, 4.0, 5.0]])
    for axis, means, shape in ((-1, jnp.array([[2.0, 3.0, 4.0]]), (1, 3)), (0, jnp.array([[2.0], [4.0]]), (2, 1))):
        tx = gx.output_mean(gx.ema(0.5), axis)
        value, state = tx.update(x, tx.init(x))
        assert jnp.allclose(value, jnp.broadcast_to(0.5 * means, x.shape))
        assert state["output_mean"]["ema"]["average"].shape == shape


def test_weights_on_a_sphere_keep_their_first_norm():
    params = {"w": jax.random.normal(jax.random.key(1), (6, 4)), "zero": jnp.zeros((2, 2))}
    radius = jnp.linalg.norm(params["w"])
    tx = gx.chain(gx.normalize(1e-12), gx.scale_by_learning_rate(0.1), gx.retract_to_sphere())
    state = tx.init(params)
    for k in range(20):
        grads = jax.tree.map(lambda p, k=k: jax.random.normal(jax.random.key(k + 2), p.shape), params)
        updates, state = tx.update(grads, state, params)
        params = gx.apply_updates(params, updates)
        assert jnp.allclose(jnp.linalg.norm(params["w"]), radius, rtol=1e-6)
        assert not jnp.any(params["zero"])
    nothing, _ = tx.update(jax.tree.map(jnp.zeros_like, params), state, params)
    assert jnp.allclose(nothing["w"], 0.0, atol=1e-6)
