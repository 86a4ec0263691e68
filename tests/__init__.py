"""The tests. Keras is told here, before anything imports it, to run on JAX and to read and write no configuration file of the user's."""

import os

os.environ["KERAS_BACKEND"] = "jax"
os.environ["KERAS_HOME"] = os.devnull
