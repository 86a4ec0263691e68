"""Real text: the source code of scikit-learn, which lies in its wheel, as bytes."""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import sklearn

CHARACTERS = 128
CONTEXT = 16


def load(size: int) -> tuple[jax.Array, jax.Array]:
    """`size` bytes to train on, and a tenth of that, from other files, to hold out."""
    paths = sorted(pathlib.Path(sklearn.__file__).parent.rglob("*.py"))
    np.random.default_rng(0).shuffle(paths)
    text = np.frombuffer(b"".join(path.read_bytes() for path in paths)[: size + size // 10], np.uint8)
    codes = jnp.asarray(np.minimum(text, CHARACTERS - 1), jnp.int32)
    return codes[:size], codes[size:]


def windows(text: jax.Array, starts: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Contexts of characters, and the character behind each."""
    spans = text[starts[:, None] + jnp.arange(CONTEXT + 1)]
    return spans[:, :-1], spans[:, -1]
