"""A smooth convex loss that is no quadratic, with its derivatives by hand: for methods that ask for more than gradients."""

import jax
import jax.numpy as jnp
import numpy as np

START = np.full(5, 0.5)
A = np.random.default_rng(1).normal(size=(12, 5))
B = np.random.default_rng(2).normal(size=12)


def loss(x: jax.Array) -> jax.Array:
    """The same as `value`, for gradtx to differentiate."""
    residual = A @ x - B
    return jnp.sum(jnp.logaddexp(residual, -residual)) + 0.05 * jnp.sum(x**2)


def value(x: np.ndarray) -> float:
    residual = A @ x - B
    return np.sum(np.log(2 * np.cosh(residual))) + 0.05 * np.sum(x**2)


def gradient(x: np.ndarray) -> np.ndarray:
    return A.T @ np.tanh(A @ x - B) + 0.1 * x


def hessian(x: np.ndarray) -> np.ndarray:
    return A.T @ np.diag(1 / np.cosh(A @ x - B) ** 2) @ A + 0.1 * np.eye(x.size)
