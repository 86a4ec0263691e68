"""Nine optimizers on real text under one budget of tuning: `python examples/comparison --out out` (about ten minutes on two cores)."""

import argparse
import functools
import json
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import network
import numpy as np
import pictures
import text
from contestants import Factory, batch, contestants
from rich.progress import track

import gradtx

GRID = 2.0 ** jnp.arange(-3, 4)
"""Learning rates around the middle one of each optimizer."""

BATCH, HELD_OUT = 128, 4096


def looks(steps: int) -> int:
    """How often a run of so many steps is looked at."""
    return min(20, steps // 10)


@functools.partial(jax.jit, static_argnames="steps")
def curves(tx: gradtx.GradientTransformation, seeds: jax.Array, train: Any, held_out: Any, steps: int) -> jax.Array:
    """The loss on text that was held out, in nats, at each look: for each optimizer in `tx` and each seed."""
    contexts, targets = text.windows(held_out, jnp.linspace(0, len(held_out) - text.CONTEXT - 2, HELD_OUT).astype(int))

    def run(tx: gradtx.GradientTransformation, seed: jax.Array) -> jax.Array:
        params = network.initialised(jax.random.key(seed))

        def step(carry: Any, key: jax.Array) -> tuple[Any, None]:
            params, state = carry
            starts = jax.random.randint(key, (BATCH,), 0, len(train) - text.CONTEXT - 1)
            grads = jax.grad(network.loss)(params, *text.windows(train, starts))
            updates, state = tx.update(grads, state, params)
            return (gradtx.apply_updates(params, updates), state), None

        def stretch(carry: Any, keys: jax.Array) -> tuple[Any, jax.Array]:
            carry, _ = jax.lax.scan(step, carry, keys)
            return carry, network.loss(gradtx.eval_params(tx, *carry), contexts, targets)

        keys = jax.random.split(jax.random.fold_in(jax.random.key(seed), 1), (looks(steps), steps // looks(steps)))
        return jax.lax.scan(stretch, (params, tx.init(params)), keys)[1]

    return jax.vmap(jax.vmap(run, in_axes=(None, 0)), in_axes=(0, None))(tx, seeds)


def compared(factory: Factory, middle: float, data: Any, steps: int, seeds: int) -> dict[str, Any]:
    """The learning rate that is best over two seeds, and the curves of other seeds at it."""
    rates = middle * GRID
    tuning = np.asarray(curves(batch(factory, rates), jnp.arange(2), *data, steps))
    final = np.nan_to_num(tuning[:, :, -1].mean(axis=1), nan=np.inf)
    best = rates[int(np.argmin(final))]
    fresh = np.asarray(curves(batch(factory, best[None]), jnp.arange(100, 100 + seeds), *data, steps))[0]
    state = jax.eval_shape(factory(1e-3).init, jax.eval_shape(network.initialised, jax.random.key(0)))
    weights = sum(int(np.prod(shape)) for shape in network.SHAPES.values())
    bytes_each = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state)) / weights
    return {"rate": float(best), "tuning": final.tolist(), "curves": fresh.tolist(), "bytes": bytes_each}


def table(found: dict[str, Any], steps: int) -> str:
    """One row for each optimizer, the best first: final loss with its spread over seeds, and the steps to AdamW's."""
    goal = np.mean([curve[-1] for curve in found["AdamW"]["curves"]])
    rows = ["| optimizer | learning rate | loss, nats a character | steps to AdamW's | state, bytes a weight |", "|---|---|---|---|---|"]
    for name, one in sorted(found.items(), key=lambda item: np.mean(item[1]["curves"], axis=0)[-1]):
        ends = [curve[-1] for curve in one["curves"]]
        mean = np.mean(one["curves"], axis=0)
        reached = np.flatnonzero(mean <= goal)
        until = f"{(reached[0] + 1) * steps // looks(steps)}" if reached.size else "–"
        rows.append(f"| {name} | {one['rate']:.1e} | {np.mean(ends):.3f} ± {np.std(ends, ddof=1):.3f} | {until} | {one['bytes']:.2f} |")
    return "\n".join(rows)


def main() -> None:
    """Compare, print the table, write the figures and the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("out"))
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="*", help="names of the optimizers to compare; AdamW is always among them")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    chosen = {k: v for k, v in contestants(options.steps).items() if not options.only or k in (*options.only, "AdamW")}
    data, found = text.load(1_000_000), dict[str, Any]()
    for name in track(list(chosen), description="tuning and comparing"):
        middle, factory = chosen[name]
        found[name] = compared(factory, middle, data, options.steps, options.seeds)
    (options.out / "comparison.json").write_text(json.dumps({"steps": options.steps, "optimizers": found}, indent=1))
    print(table(found, options.steps))
    pictures.draw(found, options.steps, np.asarray(GRID), options.out / "comparison.png")
    print(f"figures and picture: {options.out}/comparison.json, {options.out}/comparison.png")


if __name__ == "__main__":
    main()
