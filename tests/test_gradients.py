"""Gradients by differences: how exact they are, and that the check finds what is wrong."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradtx as gx

X = np.array([0.3, -0.7, 1.1])
TREE = {
    "layer": {"w": np.arange(6.0).reshape(2, 3) / 5, "b": np.array([0.2, -0.4, 0.9])},
    "scale": np.array(1.3),
}


@pytest.fixture
def double_precision():
    with jax.enable_x64(True):
        yield


def exponentials(x):
    """f, f″ and f‴ are all e^x, coordinate by coordinate."""
    return jnp.sum(jnp.exp(x))


def mixed(params):
    """Every leaf in one scalar, smooth, no polynomial of low degree."""
    hidden = jnp.tanh(params["layer"]["w"] + params["layer"]["b"])
    return jnp.sum(jnp.exp(params["scale"] * hidden))


@pytest.mark.parametrize("h", [1e-2, 1e-3])
@pytest.mark.usefixtures("double_precision")
def test_central_differences_are_of_second_order(h):
    """The error is h² f‴ / 6; the next term is smaller by h² / 20."""
    error = gx.numerical_gradient(exponentials, X, step=h) - np.exp(X)
    steps = h * np.maximum(1, np.abs(X))
    np.testing.assert_allclose(error, steps**2 * np.exp(X) / 6, rtol=1e-4)


@pytest.mark.parametrize("h", [1e-2, 1e-4])
@pytest.mark.usefixtures("double_precision")
def test_one_sided_differences_are_of_first_order(h):
    """The error is h f″ / 2; the next term is smaller by h / 3."""
    error = gx.one_sided_numerical_gradient(exponentials, X, step=h) - np.exp(X)
    steps = h * np.maximum(1, np.abs(X))
    np.testing.assert_allclose(error, steps * np.exp(X) / 2, rtol=0.4 * h + 1e-6)


@pytest.mark.parametrize(("central", "one_sided"), [(4e-11, 1e-8)])
@pytest.mark.usefixtures("double_precision")
def test_default_steps_reach_the_stated_error_in_double_precision(central, one_sided):
    assert np.max(np.abs(gx.numerical_gradient(exponentials, X) - np.exp(X))) < 10 * central
    error = np.max(np.abs(gx.one_sided_numerical_gradient(exponentials, X) - np.exp(X)))
    assert central < error < 10 * one_sided


def test_default_steps_reach_the_stated_error_in_single_precision():
    x = X.astype(np.float32)
    assert gx.numerical_gradient(exponentials, x).dtype == np.float32
    assert np.max(np.abs(gx.numerical_gradient(exponentials, x) - np.exp(X))) < 10 * 2e-5
    assert np.max(np.abs(gx.one_sided_numerical_gradient(exponentials, x) - np.exp(X))) < 10 * 3e-4


@pytest.mark.usefixtures("double_precision")
def test_rounding_takes_over_at_smaller_steps():
    """The error from rounding grows like ε / h, so that the default step cannot be made much smaller."""
    default = np.max(np.abs(gx.numerical_gradient(exponentials, X) - np.exp(X)))
    small = np.max(np.abs(gx.numerical_gradient(exponentials, X, step=1e-9) - np.exp(X)))
    assert small > 10 * default
    assert small < 100 * np.finfo(float).eps / 1e-9


@pytest.mark.usefixtures("double_precision")
def test_the_step_grows_with_the_coordinate():
    """At 1e6 an absolute step of the default size would drown in rounding."""
    gradient = gx.numerical_gradient(lambda x: jnp.sum(jnp.sin(x / 1e6)), np.array([1e6, -3e6]))
    np.testing.assert_allclose(gradient, np.cos([1.0, -3.0]) / 1e6, rtol=1e-8)


@pytest.mark.parametrize("differences", [gx.numerical_gradient, gx.one_sided_numerical_gradient])
@pytest.mark.usefixtures("double_precision")
def test_gradients_of_trees(differences):
    numerical = differences(mixed, TREE)
    assert jax.tree.structure(numerical) == jax.tree.structure(TREE)
    jax.tree.map(lambda n, a: np.testing.assert_allclose(n, a, rtol=1e-6), numerical, jax.grad(mixed)(TREE))


def test_what_is_not_trained_comes_back_as_it_is():
    params = {"w": X.astype(np.float32), "count": np.array([2, 3]), "none": None, "flag": True}
    numerical = gx.numerical_gradient(lambda p: jnp.sum(p["w"] ** 2) * p["count"][0], params)
    np.testing.assert_allclose(numerical["w"], 4 * X, rtol=1e-3)
    np.testing.assert_array_equal(numerical["count"], params["count"])
    assert numerical["none"] is None
    assert numerical["flag"] is True
    assert gx.numerical_gradient(lambda p: jnp.zeros(()), {"none": None}) == {"none": None}


@pytest.mark.usefixtures("double_precision")
def test_complex_gradients_are_conjugate_to_jaxs():
    z = np.array([1 + 2j, -0.5j])
    numerical = gx.numerical_gradient(lambda z: jnp.sum(jnp.abs(z) ** 2) + jnp.sum(jnp.real(1j * z)), z)
    np.testing.assert_allclose(numerical, 2 * z - 1j, atol=1e-8)
    np.testing.assert_allclose(jax.grad(lambda z: jnp.sum(jnp.abs(z) ** 2) + jnp.sum(jnp.real(1j * z)))(z), np.conj(2 * z - 1j), atol=1e-12)


@pytest.mark.parametrize("differences", [gx.numerical_gradient, gx.one_sided_numerical_gradient, gx.check_gradient])
def test_the_function_must_return_a_scalar(differences):
    with pytest.raises(ValueError, match=r"must return a scalar, got shape \(3,\)"):
        differences(lambda x: x**2, X)


def test_the_step_must_be_positive():
    with pytest.raises(ValueError, match=r"step must be positive, got 0.0"):
        gx.numerical_gradient(exponentials, X, step=0.0)


@pytest.mark.usefixtures("double_precision")
def test_a_right_gradient_agrees():
    check = gx.check_gradient(mixed, TREE)
    assert check
    assert check.disagreeing == ()
    assert [leaf.path for leaf in check.leaves] == ["layer/b", "layer/w", "scale"]
    assert str(check).count("agrees") == 3


def test_a_right_gradient_agrees_in_single_precision():
    assert gx.check_gradient(mixed, jax.tree.map(lambda x: x.astype(np.float32), TREE))


@pytest.mark.parametrize("size", [1.0, 1e3, 1e5])
@pytest.mark.parametrize("factor", [0.0, 0.7])
def test_a_wrong_gradient_is_found_at_large_weights(size, factor):
    """A step grows with the weight, so that what rounding hides, ε^⅔ |f| / |x|, does not grow with |f| alone."""
    x = jnp.full(3, size) * jnp.array([1.0, -1.0, 0.8])
    assert gx.check_gradient(lambda x: jnp.sum(x**2), x)
    check = gx.check_gradient(lambda x: jnp.sum(x**2), x, lambda x: factor * 2 * x)
    assert [leaf.agrees for leaf in check.leaves] == [False]


@pytest.mark.parametrize("size", [1.0, 1e3])
def test_a_wrong_complex_gradient_is_found_at_large_weights(size):
    z = size * jnp.array([1 + 2j, -3 + 0.5j], jnp.complex64)
    square = jax.grad(lambda z: jnp.sum(jnp.abs(z) ** 2))
    assert gx.check_gradient(lambda z: jnp.sum(jnp.abs(z) ** 2), z)
    assert not gx.check_gradient(lambda z: jnp.sum(jnp.abs(z) ** 2), z, lambda z: 0.7 * square(z))


def test_what_is_allowed_follows_each_weight():
    """In one leaf with weights of 1 and of 1000: 10 ε^⅔ |f| / max(1, |x|) where the gradient is zero."""
    x = jnp.array([0.0, 1000.0])
    (leaf,) = gx.check_gradient(lambda x: jnp.sum(x) * 0 + 50.0, x, lambda x: jnp.array([0.0, 1.0])).leaves
    assert leaf.index == (1,)
    resolvable = 10 * np.finfo(np.float32).eps ** (2 / 3)
    np.testing.assert_allclose(leaf.allowed, resolvable * 50 / 1000 + resolvable, rtol=1e-6)


def test_what_is_not_trained_is_not_checked():
    params = {"w": X.astype(np.float32), "count": np.array([2, 3]), "none": None}
    check = gx.check_gradient(lambda p: jnp.sum(p["w"] ** 2) * p["count"][0], params)
    assert check
    assert [leaf.path for leaf in check.leaves] == ["w"]


@pytest.mark.usefixtures("double_precision")
def test_complex_leaves_are_checked():
    z = {"z": np.array([1 + 2j, -0.5j]), "x": X}

    def loss(p):
        return jnp.sum(jnp.real(p["z"] ** 3)) + jnp.sum(jnp.abs(p["z"]) ** 4) + jnp.sum(jnp.sin(p["x"])) * jnp.imag(p["z"][0])

    assert gx.check_gradient(loss, z)
    wrong = gx.check_gradient(loss, z, lambda p: jax.tree.map(jnp.conj, jax.grad(loss)(p)))
    assert [leaf.path for leaf in wrong.disagreeing] == ["z"]


@pytest.mark.usefixtures("double_precision")
def test_a_planted_error_is_found_by_leaf_and_index():
    def planted(params):
        gradient = jax.grad(mixed)(params)
        w = gradient["layer"]["w"]
        return {**gradient, "layer": {**gradient["layer"], "w": w.at[1, 2].multiply(1 + 1e-6)}}

    check = gx.check_gradient(mixed, TREE, planted)
    assert not check
    (leaf,) = check.disagreeing
    expected = jax.grad(mixed)(TREE)["layer"]["w"][1, 2]
    assert (leaf.path, leaf.index) == ("layer/w", (1, 2))
    np.testing.assert_allclose(leaf.analytic, expected * (1 + 1e-6), rtol=1e-12)
    np.testing.assert_allclose(leaf.numerical, expected, rtol=1e-8)
    np.testing.assert_allclose(leaf.difference, expected * 1e-6, rtol=1e-2)
    line = next(line for line in str(check).splitlines() if line.endswith("DISAGREES"))
    assert line.startswith("layer/w  (1, 2)")
    assert gx.check_gradient(mixed, TREE, planted, rtol=1e-5)
    assert not gx.check_gradient(mixed, TREE, rtol=0.0, atol=1e-300)


@pytest.mark.usefixtures("double_precision")
def test_a_forgotten_term_is_found():
    def forgetful(params):
        return mixed(params) + 0.01 * jax.lax.stop_gradient(params["layer"]["b"][1]) ** 2

    (leaf,) = gx.check_gradient(forgetful, TREE).disagreeing
    assert (leaf.path, leaf.index) == ("layer/b", (1,))
    np.testing.assert_allclose(leaf.difference, 0.01 * 2 * 0.4, rtol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.usefixtures("double_precision")
def test_a_gradient_that_is_not_finite_disagrees(value):
    (leaf,) = gx.check_gradient(exponentials, X, lambda x: jnp.exp(x).at[1].set(value)).disagreeing
    assert leaf.index == (1,)
    assert leaf.difference == np.inf


@pytest.mark.usefixtures("double_precision")
def test_a_kink_disagrees_rightly():
    (leaf,) = gx.check_gradient(
        lambda x: jnp.sum(jnp.maximum(x, 0)), np.array([1.0, 0.0, -1.0]), jax.grad(lambda x: jnp.sum(x * (x > 0)))
    ).disagreeing
    assert leaf.index == (1,)
    np.testing.assert_allclose([leaf.analytic, leaf.numerical], [0, 0.5], atol=1e-10)


def test_the_gradient_must_be_a_tree_like_the_parameters():
    with pytest.raises(ValueError, match=r"gradients are not a tree like the parameters: missing: scale"):
        gx.check_gradient(mixed, TREE, lambda params: {"layer": jax.grad(mixed)(params)["layer"]})
