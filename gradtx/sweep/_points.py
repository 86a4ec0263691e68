"""Where in the unit cube the members of a sample lie: independent draws, or sequences that leave no gaps."""

from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import numpy as np

from gradtx._core.kinds import is_key

Points: TypeAlias = Callable[[Any, int, int], np.ndarray]
"""A function of a random key, the number of points and their dimension: an array of shape (n, d) in [0, 1)."""


def independent(key: Any, n: int, d: int) -> np.ndarray:
    """`n` independent uniform points in [0, 1)^d, a function of the key."""
    return _generator(key).random((n, d))


def sobol(key: Any, n: int, d: int) -> np.ndarray:
    """The first `n` points of a scrambled Sobol sequence in [0, 1)^d, which fill it more evenly than independent ones. Needs SciPy.

    Best with a power of two for `n`; the first points of a larger sample with the same key are those of a smaller one.
    Owen 1998, "Scrambling Sobol' and Niederreiter-Xing points".
    """
    if n == 0:
        return np.zeros((0, d))
    return _qmc("sobol").Sobol(d, scramble=True, rng=_generator(key)).random_base2((n - 1).bit_length())[:n]


def halton(key: Any, n: int, d: int) -> np.ndarray:
    """The first `n` points of a scrambled Halton sequence in [0, 1)^d: even for any `n`, best in few dimensions. Needs SciPy."""
    return _qmc("halton").Halton(d, scramble=True, rng=_generator(key)).random(n)


def _qmc(name: str) -> Any:
    try:
        from scipy.stats import qmc  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError(f'{name} needs SciPy: pip install "gradtx[sweep]". points=independent needs nothing.') from error
    return qmc


def _generator(key: Any) -> np.random.Generator:
    """NumPy's generator, seeded with all the bits of a key of JAX."""
    key = jax.random.key(key) if isinstance(key, int | np.integer) else key
    if not hasattr(key, "dtype") or getattr(key, "ndim", 0) > 1:
        raise TypeError(f"key must be a random key or an integer seed, got {key!r}. Write jax.random.key(0).")
    bits = jax.random.key_data(key) if is_key(key) else key
    return np.random.default_rng([int(word) for word in np.asarray(bits).ravel()])
