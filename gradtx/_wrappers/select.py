"""One of two transformations, as the step decides."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax

from gradtx._core.flow import Flow
from gradtx._core.transformation import GradientTransformation, transformation
from gradtx._core.types import PyTree


@transformation
def select(condition: Callable[[jax.Array], Any], inner: GradientTransformation, otherwise: GradientTransformation) -> Any:
    """Run `inner` at steps where `condition(step)` is true and `otherwise` at the rest: u ← inner(u) or otherwise(u).

    `condition` takes the step count, from 0. The one that does not run costs nothing (`jax.lax.cond`) and its state rests. Seen from
    outside it is one part, which averages if either does. Optax's conditionally_transform(inner, condition) is
    `select(condition, inner, identity())`.
    """

    def init(params: PyTree) -> Any:
        return {"inner": inner.init(params), "otherwise": otherwise.init(params)}

    def update(updates: PyTree, state: Any, params: PyTree = None, *, flow: Flow, step: jax.Array) -> Any:
        traits: list[tuple[bool, bool]] = []

        def run(name: str, part: GradientTransformation) -> Callable[[], Any]:
            def branch() -> Any:
                moved, entries = part.carry(flow, state[name], params)
                traits.append((moved.averaged, moved.downhill))
                return moved.updates, {**state, name: entries}

            return branch

        new, state = jax.lax.cond(condition(step), run("inner", inner), run("otherwise", otherwise))
        averaged, downhill = map(any, zip(*traits, strict=True))
        return dataclasses.replace(flow, averaged=flow.averaged or averaged, downhill=downhill).moved(new), state

    return init, update
