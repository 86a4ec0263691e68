"""Paired timings: `make bench`. Every figure is the median of the ratios of runs made in turn; a lone time means nothing."""

import os
import statistics
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import optax

import gradtx as gx

ROUNDS = 15


def spread(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.2f}  ({min(ratios):.2f} to {max(ratios):.2f})"


def import_time() -> None:
    """Milliseconds on top of `import jax`, from bytecode as an installed package has it: the import, one optimizer, and all names."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

    def seconds(code: str) -> float:
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, env=environment)
        return time.perf_counter() - begin

    seconds("from gradtx import *")
    for what in ("import gradtx", "import gradtx; gradtx.adamw(1e-3)", "from gradtx import *"):
        pairs = [1000 * (seconds(f"import jax; {what}") - seconds("import jax")) for _ in range(5)]
        print(f"{what} on top of jax: {statistics.median(pairs):.0f} ms  ({min(pairs):.0f} to {max(pairs):.0f})")


def step_of(tx, apply):
    def step(params, state, grads):
        updates, state = tx.update(grads, state, params)
        return apply(params, updates), state

    return jax.jit(step, donate_argnums=(0, 1))


def paired(name: str, leaves: int, shape: tuple[int, ...], ours, theirs) -> None:
    """Ratio of step times, gradtx over Optax."""
    params = {f"w{k}": jnp.ones(shape) for k in range(leaves)}
    grads = jax.tree.map(lambda p: 0.1 * p, params)
    runs = []
    for tx, apply in ((ours, gx.apply_updates), (theirs, optax.apply_updates)):
        runs.append([step_of(tx, apply), jax.tree.map(jnp.copy, params), tx.init(params)])

    def seconds(run) -> float:
        step, params, state = run
        begin = time.perf_counter()
        for _ in range(5):
            params, state = step(params, state, grads)
        jax.block_until_ready(params)
        run[1:] = params, state
        return time.perf_counter() - begin

    for run in runs:
        seconds(run)
    ratios = [seconds(runs[0]) / seconds(runs[1]) for _ in range(ROUNDS)]
    print(f"{name:42s} {spread(ratios)}")


def eager(leaves: int) -> None:
    """Ratio of the times of an update outside jit."""
    params = {f"w{k}": jnp.ones((64, 64)) for k in range(leaves)}
    ours, theirs = gx.adamw(1e-3), optax.adamw(1e-3)
    states = [ours.init(params), theirs.init(params)]

    def seconds(tx, state) -> float:
        begin = time.perf_counter()
        jax.block_until_ready(tx.update(params, state, params)[0])
        return time.perf_counter() - begin

    for tx, state in zip((ours, theirs), states, strict=True):
        seconds(tx, state)
    ratios = [seconds(ours, states[0]) / seconds(theirs, states[1]) for _ in range(ROUNDS)]
    print(f"{f'adamw, {leaves} leaves, outside jit':42s} {spread(ratios)}")


def compilation(leaves: int) -> None:
    """Ratio of the times to trace, lower and compile a step."""
    params = {f"w{k}": jax.ShapeDtypeStruct((64, 64), jnp.float32) for k in range(leaves)}

    def seconds(tx, apply) -> float:
        state = jax.eval_shape(tx.init, params)
        begin = time.perf_counter()
        step_of(tx, apply).lower(params, state, params).compile()
        return time.perf_counter() - begin

    ratios = [seconds(gx.adamw(1e-3), gx.apply_updates) / seconds(optax.adamw(1e-3), optax.apply_updates) for _ in range(3)]
    print(f"{f'adamw, {leaves} leaves, trace to compiled':42s} {spread(ratios)}")


def main() -> None:
    """Print every figure."""
    import_time()
    print(f"\ngradtx / Optax {optax.__version__}, JAX {jax.__version__}, median of {ROUNDS} paired rounds (least to most):")
    schedule = {"init_value": 0.0, "peak_value": 1e-3, "warmup_steps": 10, "decay_steps": 1000}
    clipped = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(1e-3))
    for leaves, shape in ((8, (1024, 1024)), (200, (64, 64))):
        size = f"{leaves} leaves of {shape[0]}x{shape[1]}"
        paired(f"sgd, {size}", leaves, shape, gx.sgd(0.1), optax.sgd(0.1))
        paired(f"adamw, {size}", leaves, shape, gx.adamw(1e-3), optax.adamw(1e-3, weight_decay=0.01))
        paired(f"adamw + clip, {size}", leaves, shape, gx.chain(gx.clip_by_global_norm(1.0), gx.adamw(1e-3)), clipped)
        paired(f"lion, {size}", leaves, shape, gx.lion(1e-4), optax.lion(1e-4, weight_decay=0.0))
    scheduled = (gx.warmup_cosine_decay_schedule(**schedule), optax.warmup_cosine_decay_schedule(**schedule))
    paired("adam + schedule, 8 leaves of 1024x1024", 8, (1024, 1024), gx.adam(scheduled[0]), optax.adam(scheduled[1]))
    eager(100)
    compilation(200)


main()
