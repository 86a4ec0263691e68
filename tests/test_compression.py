"""Compressors and error feedback: what is kept, what is sent later, and where it converges."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradtx as gx

RNG = np.random.default_rng(0)
X = {"w": RNG.normal(size=(6, 5)), "b": RNG.normal(size=7), "s": np.array(-1.5)}


def once(tx, x=X):
    x = jax.tree.map(jnp.asarray, x)
    return jax.tree.map(np.asarray, tx.update(x, tx.init(x))[0])


def test_scaled_sign_keeps_signs_and_the_mean_size():
    sent = once(gx.scaled_sign())
    for name, x in X.items():
        np.testing.assert_allclose(sent[name], np.sign(x) * np.mean(np.abs(x)), rtol=1e-6)
    assert not np.any(once(gx.scaled_sign(), {"z": np.zeros(3)})["z"])


@pytest.mark.parametrize(("fraction", "counts"), [(0.0, (1, 1, 1)), (0.2, (6, 2, 1)), (0.5, (15, 4, 1)), (1.0, (30, 7, 1))])
def test_top_k_keeps_the_largest(fraction, counts):
    sent = once(gx.top_k(fraction))
    for (name, x), count in zip(X.items(), counts, strict=True):
        kept = np.argsort(-np.abs(x), axis=None)[:count]
        expected = np.zeros(x.size)
        expected[kept] = x.ravel()[kept]
        np.testing.assert_allclose(sent[name].ravel(), expected, rtol=1e-6)


def test_top_k_keeps_all_of_equal_size():
    np.testing.assert_array_equal(once(gx.top_k(0.25), {"x": np.array([2.0, -2.0, 1.0, 0.0])})["x"], [2.0, -2.0, 0.0, 0.0])
    assert jax.jit(lambda fraction: gx.top_k(fraction).update(jnp.arange(4.0), {"step": 0})[0].sum())(0.5) == 5.0


@pytest.mark.parametrize("shape", [(8, 5), (5, 8)])
def test_low_rank_finds_the_largest_singular_directions(shape):
    """Of a matrix that stays, after some steps, by the decomposition; and of its own rank at once."""
    u, _, v = np.linalg.svd(RNG.normal(size=shape), full_matrices=False)
    x = u @ np.diag([9.0, 5.0, 1.0, 0.5, 0.1]) @ v
    best = u[:, :2] @ np.diag([9.0, 5.0]) @ v[:2]
    for tx, expected in ((gx.low_rank(2, 0), best), (gx.orthonormal_low_rank(3, 0), u[:, :2] @ v[:2])):
        state = tx.init(jnp.asarray(x))
        for _ in range(30):
            sent, state = tx.update(jnp.asarray(x), state)
        np.testing.assert_allclose(sent, expected, atol=1e-4 * np.max(np.abs(expected)))
    np.testing.assert_allclose(once(gx.low_rank(2, 0), {"x": best})["x"], best, atol=1e-4)


@pytest.mark.parametrize("inner", [gx.scaled_sign(), gx.sign(), gx.top_k(0.1), gx.low_rank(1, 0)], ids=str)
def test_what_is_sent_and_what_is_left_is_what_came(inner):
    tx, zeros = gx.error_feedback(inner), jnp.zeros((6, 5))
    state, came, sent = tx.init(zeros), np.zeros((6, 5)), np.zeros((6, 5))
    for k in range(20):
        g = RNG.normal(size=(6, 5)) + k % 3
        update, state = tx.update(jnp.asarray(g), state)
        came, sent = came + g, sent + np.asarray(update)
        np.testing.assert_allclose(sent + np.asarray(state["error_feedback"]["error"]), came, atol=1e-3)


def test_with_momentum_a_share_of_what_was_captured_stays():
    """Dion's buffer: M ← M + G − (1 − μ) P Pᵀ (M + G), with P from what was sent."""
    tx, buffer = gx.error_feedback(gx.orthonormal_low_rank(2, 0), 0.8), np.zeros((6, 5))
    state = tx.init(jnp.asarray(buffer))
    for _ in range(5):
        g = RNG.normal(size=(6, 5))
        update, state = tx.update(jnp.asarray(g), state)
        p = np.linalg.svd(np.asarray(update))[0][:, :3]
        buffer = buffer + g - 0.2 * p @ p.T @ (buffer + g)
        np.testing.assert_allclose(state["error_feedback"]["error"], buffer, atol=1e-4)


def test_feedback_mends_the_sign():
    """Karimireddy et al. 2019, section 3: three gradients in four are −1, the fourth is 4; signs alone go uphill."""

    def end(part):
        tx = gx.chain(part, gx.scale_by_learning_rate(0.01))
        x, state = jnp.zeros(()), tx.init(jnp.zeros(()))
        for k in range(100):
            updates, state = tx.update(jnp.where(k % 4 == 3, 4.0, -1.0), state, x)
            x = gx.apply_updates(x, updates)
        return float(x)

    assert end(gx.sign()) == pytest.approx(0.5)
    assert end(gx.error_feedback(gx.sign())) == pytest.approx(-0.25, abs=0.05)


def test_a_compressor_has_no_learning_rate():
    with pytest.raises(ValueError, match=r"error_feedback: inner gives a learning rate, sgd\(...\)"):
        gx.error_feedback(gx.sgd(0.1)).init(jnp.zeros(3))


def test_feedback_counts_as_an_average():
    """What stands behind it still sees the gradient."""
    tx = gx.chain(gx.error_feedback(gx.top_k(0.5)), gx.scale_by_rms(gx.ema(0.0), 1e-12))
    g = jnp.array([4.0, -2.0, 1.0, 0.5])
    np.testing.assert_allclose(tx.update(g, tx.init(g))[0], [1.0, -1.0, 0.0, 0.0], rtol=1e-6)
