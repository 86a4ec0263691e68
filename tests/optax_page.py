"""The page of Optax's names: `python -m tests.optax_page` writes `docs/coming-from/optax-names.md` from `tests.optax_names`."""

import functools
import pathlib
import textwrap
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import gradtx as gx
from tests.optax_names import (
    ABSENT,
    ALIKE,
    CERTIFIED,
    GIVEN,
    OUTSIDE,
    SPELLED,
    WITHOUT_RATE,
    Row,
    name_of,
    optax_names,
    optax_namespace,
)

PAGE = pathlib.Path(__file__).parents[1] / "docs/coming-from/optax-names.md"
STEPS = 12
ROUNDING = 1e-6
"""Optax computes counts and schedules in float32 even where the weights are float64."""

START = {"bias": np.array([-0.4, 0.9, 1.3]), "kernel": np.random.default_rng(1).normal(size=(4, 3))}
TARGET = {"bias": np.array([0.5, 0.2, -0.8]), "kernel": np.random.default_rng(2).normal(size=(4, 3))}


def loss(params: Any) -> jax.Array:
    """Smooth and no quadratic."""
    return sum(jnp.sum((params[name] - TARGET[name]) ** 2 / 2 + (params[name] - TARGET[name]) ** 4 / 4) for name in TARGET)


def path_of(tx: Any) -> dict[str, np.ndarray]:
    """The updates of some steps along which the weights go down the gradient, whatever `tx` returns."""
    extras = {"value_fn": loss} if isinstance(tx, gx.GradientTransformation) else {}
    tx = tx if extras else optax.with_extra_args_support(tx)

    @jax.jit
    def run(params: Any) -> Any:
        def step(carry: Any, _: None) -> Any:
            params, state = carry
            value, gradient = jax.value_and_grad(loss)(params)
            updates, state = tx.update(gradient, state, params, value=value, **extras)
            return (jax.tree.map(lambda p, g: p - 0.05 * g, params, gradient), state), updates

        return jax.lax.scan(step, (params, tx.init(params)), None, length=STEPS)[1]

    with jax.enable_x64(True):
        return jax.tree.map(np.asarray, run(START))


def values_of(schedule: Any) -> dict[str, np.ndarray]:
    with jax.enable_x64(True):
        return {"value": np.asarray(jax.vmap(schedule)(jnp.arange(40)))}


@functools.cache
def gradtx_namespace() -> dict[str, Any]:
    namespace: dict[str, Any] = {}
    exec(GIVEN, namespace)
    return namespace


def of_gradtx(expression: str) -> Any:
    return eval(expression, gradtx_namespace())


def of_optax(expression: str) -> Any:
    return eval(expression, optax_namespace())


def distance(theirs: str, ours: str) -> float:
    """The largest difference of two transformations' updates, or of two schedules' values, relative to the largest of that leaf."""
    value = of_gradtx(ours)
    measure = values_of if isinstance(value, gx.Schedule) else path_of
    reference, path = measure(of_optax(theirs)), measure(value)
    return max(float(np.max(np.abs(path[k] - x)) / max(np.max(np.abs(x)), 1e-30)) for k, x in reference.items())


def code(names: Iterable[str]) -> str:
    return " ".join(f"`{name}`" for name in names)


def listed(names: Iterable[str]) -> str:
    """A sentence of names, in lines of the usual length."""
    return "\n".join(textwrap.wrap(f"{code(names)}.", 140, break_on_hyphens=False))


def answer(row: Row) -> str:
    """What the last column says: whether both do the same, as measured, and what else there is to know."""
    return "; ".join(filter(None, [row.differs or ("the same" if row.compared else ""), row.note]))


def spelled(section: str) -> list[str]:
    lines = [f"| `{row.optax}` | `{row.gradtx}` | {answer(row)} |" for row in SPELLED[section]]
    return [f"### {section}", "", "| Optax | gradtx | |", "|---|---|---|", *lines, ""]


def absent() -> str:
    return "\n".join(f"| {code(names.split())} | {reason} |" for names, reason in ABSENT.items())


def outside() -> str:
    return "\n".join(f"| `optax.{module}` | {reason} |" for module, reason in OUTSIDE.items())


def text() -> str:
    """The page."""
    spellings = "\n".join(line for section in SPELLED for line in spelled(section))
    return f"""\
# Every name of Optax

What each public name of Optax {optax.__version__} is here: the same name, another spelling, or nothing, with the reason. There are
{len(optax_names())} of them beside the states of transformations. `python -m tests.optax_page` writes the page; the tests hold it against
the installed Optax, evaluate every expression on it, and compare what both do where it says "the same".
How the libraries and their defaults differ is on [Coming from Optax](optax.md).

## The same name

Optimizers, called with a learning rate ([Certificates](../certificates.md) say how far the paths are apart):
{listed(CERTIFIED)}

Optimizers that need none:
{listed(WITHOUT_RATE)}

Parts, schedules and the rest, which do the same:
{listed(map(name_of, ALIKE))}

What is in `optax.contrib` there is in `gradtx` here: there is one path for each name.

## Another spelling

The expressions of gradtx stand on these lines. In Optax `mask` is a tree of bools that chooses what `where` does, and `labels` names two
groups.

```python
{GIVEN.rstrip()}
```

{spellings}
## Not here

| Optax | why, and what instead |
|---|---|
{absent()}
| all that end in `State` | what a transformation remembers; here nested dicts, by the names of the parts |

Modules that are about something else, with the names that `optax` repeats from them:

| Optax | why, and what instead |
|---|---|
{outside()}
"""


def main() -> None:
    PAGE.write_text(text())


if __name__ == "__main__":
    main()
