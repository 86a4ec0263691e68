"""What flows through a chain: the updates, and the gradient behind them."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, final

import jax
import jax.numpy as jnp

from gradtx._core.types import PyTree


@final
@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Flow:
    """The updates, the gradient behind them, and what parts published, such as the average that the updates were read from.

    `averaged` says that the updates are an average by now, so that `gradient` no longer follows them; `downhill` that a
    learning rate has turned them since, so that the two are meant to point against each other. A wrapper asks
    for the flow by keyword, hands it to what it wraps with `inner.carry(flow, state, params)`, and returns the flow
    that comes out instead of updates.
    """

    updates: PyTree
    gradient: PyTree
    published: Mapping[str, PyTree] = dataclasses.field(default_factory=dict[str, PyTree])
    averaged: bool = dataclasses.field(default=False, metadata={"static": True})
    downhill: bool = dataclasses.field(default=False, metadata={"static": True})

    def map(self, function: Callable[[PyTree], PyTree]) -> "Flow":
        """Every tree that flows through `function`: what a mask, a basis or a guard does on the way in and on the way out."""
        updates = function(self.updates)
        gradient = updates if self.gradient is self.updates else function(self.gradient)
        published = {name: function(tree) for name, tree in self.published.items()}
        return Flow(updates, gradient, published, self.averaged, self.downhill)

    def moved(self, updates: PyTree) -> "Flow":
        """The flow behind a part that turned its updates into these: the gradient follows until something averages."""
        return dataclasses.replace(self, updates=updates, gradient=self.gradient if self.averaged else updates)

    def at_rest(self, updates: PyTree) -> "Flow":
        """A flow of the kind of this one, of which shapes will do, in which nothing moves: `updates` say where each leaf lies."""
        nothing = jax.tree.map(jnp.zeros_like, updates)
        return Flow(nothing, nothing, dict.fromkeys(self.published, nothing), self.averaged, self.downhill)

    def entered(self) -> "Flow":
        """The flow at the beginning of a scope: the gradient is what comes in."""
        return Flow(self.updates, self.updates)

    def left(self, inner: "Flow", turned: bool) -> "Flow":
        """The flow behind a scope, which counts as one part: if it averaged, the gradient stays what came in."""
        averaged = self.averaged or inner.averaged
        return dataclasses.replace(self, averaged=averaged, downhill=averaged and self.downhill != turned).moved(inner.updates)


def moment_averages(state: Any, moment: Flow) -> bool:
    """For `averages=` of a part that does what its moment does: it averages if the moment did."""
    return moment.averaged
