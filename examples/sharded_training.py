"""One training program, four ways to spread it over eight devices: only the mesh and the specs of the parameters change."""

import os

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"  # on a machine with eight accelerators, leave these out
os.environ.setdefault("NPROC", "32")  # a thread for each device: they wait for each other

import jax
import jax.numpy as jnp
import numpy as np

import gradtx
from gradtx.sharding import bytes_per_device, collectives, state_shardings

SHAPES = {"in": (64, 256), "out": (256, 16)}
P = jax.P
LAYOUTS = {  # for each: the mesh, the specs of the two matrices, and the axis over which the state is spread as well
    "one device": ({"data": 1}, (P(), P()), None),
    "data parallel": ({"data": 8}, (P(), P()), None),
    "data parallel, ZeRO-1": ({"data": 8}, (P(), P()), "data"),
    "fully sharded": ({"data": 8}, (P("data"), P("data")), None),
    "tensor sharded": ({"data": 2, "model": 4}, (P(None, "model"), P("model")), None),
}


def loss(params, x, y):
    """Mean squared error of a network with one hidden layer."""
    return jnp.mean((jnp.tanh(x @ params["in"]) @ params["out"] - y) ** 2)


def step(tx, params, state, x, y):
    """One step, written for one device."""
    value, grads = jax.value_and_grad(loss)(params, x, y)
    updates, state = tx.update(grads, state, params)
    return gradtx.apply_updates(params, updates), state, value


tx = gradtx.chain(gradtx.clip_by_global_norm(1.0), gradtx.adamw(3e-3))
keys = jax.random.split(jax.random.key(0), 3)
start = {name: np.asarray(jax.random.normal(key, SHAPES[name]) / 16) for name, key in zip(SHAPES, keys, strict=False)}
x = np.asarray(jax.random.normal(keys[2], (128, 64)))
for name, (axes, specs, zero) in LAYOUTS.items():
    devices = np.array(jax.devices()[: int(np.prod([*axes.values()]))])
    mesh = jax.sharding.Mesh(devices.reshape([*axes.values()]), [*axes])
    places = {leaf: jax.NamedSharding(mesh, spec) for leaf, spec in zip(SHAPES, specs, strict=True)}
    params = jax.device_put(start, places)
    batch = jax.device_put((x, np.sin(x[:, :16])), jax.NamedSharding(mesh, P("data")))
    shardings = state_shardings(tx, params, mesh, zero=zero)
    state = jax.jit(tx.init, out_shardings=shardings)(params)
    compiled = jax.jit(step, out_shardings=(places, shardings, None), donate_argnums=(1, 2)).lower(tx, params, state, *batch).compile()
    for _ in range(50):
        params, state, value = compiled(tx, params, state, *batch)
    traffic = ", ".join(f"{c.bytes} B of {c.kind}" for c in collectives(compiled).values()) or "nothing"
    print(f"{name}: loss {value:.5f}, {bytes_per_device(state)} B of state on a device, a step moves {traffic}")
