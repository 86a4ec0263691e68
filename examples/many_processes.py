"""Data-parallel training by processes that talk over loopback: one is killed, and all start again from the last checkpoint."""

import argparse
import os
import pathlib
import signal
import socket
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np

import gradtx.training

options = argparse.ArgumentParser()
options.add_argument("directory", type=pathlib.Path)
for name, default in (("processes", 2), ("kill-at", -1), ("worker", None), ("port", None)):  # the last worker dies before step kill-at
    options.add_argument(f"--{name}", type=int, default=default)
given = options.parse_args()

if given.worker is None:  # start the workers; when one is gone the others cannot go on and are ended
    with socket.socket() as free:
        free.bind(("localhost", 0))
        command = [sys.executable, __file__, *sys.argv[1:], "--port", str(free.getsockname()[1]), "--worker"]
    workers = [subprocess.Popen([*command, str(k)], env={**os.environ, "XLA_FLAGS": ""}) for k in range(given.processes)]
    lost = workers[-1].wait() != 0
    for worker in workers:
        _ = worker.kill() if lost else worker.wait()
    sys.exit(int(lost))

jax.config.update("jax_cpu_collectives_implementation", "gloo")
jax.distributed.initialize(f"localhost:{given.port}", given.processes, given.worker)
mesh = jax.sharding.Mesh(np.array(jax.devices()), ("data",))
inputs = np.random.default_rng(0).normal(size=(32, 8)).astype(np.float32)
x, y = jax.device_put((inputs, np.tanh(inputs.sum(axis=1) / 2)), jax.NamedSharding(mesh, jax.P("data")))


@jax.jit
def step(params, state, x, y):
    """One step on a batch that is spread over the processes."""
    loss, grads = jax.value_and_grad(lambda p: jnp.mean((jnp.tanh(x @ p["w"] + p["b"]) - y) ** 2))(params)
    updates, state = tx.update(grads, state, params)
    return gradtx.apply_updates(params, updates), state, loss


tx, params = gradtx.adamw(0.05), {"w": jnp.zeros(8), "b": jnp.zeros(())}
state, folder = tx.init(params), given.directory
if folder.is_dir() and any(folder.iterdir()):  # each process reads the last checkpoint that is whole
    params, state = (found := gradtx.training.restore(folder, params=params, state=state)).params, found.state
params, state = jax.device_put((params, state), jax.NamedSharding(mesh, jax.P()))
for k in range(first := int(state["step"]), 20):
    if k == given.kill_at and given.worker == given.processes - 1:
        os.kill(os.getpid(), signal.SIGKILL)
    params, state, loss = step(params, state, x, y)
    if k % 5 == 4:  # process 0 writes
        gradtx.training.save(folder, tx=tx, params=params, state=state, keep=2)
print(f"steps {first + 1} to 20 on {given.processes} processes, loss {loss:.6f}\n" if given.worker == 0 else "", end="")
