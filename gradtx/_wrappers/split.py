"""Two optimizers on one tree, each for its own leaves."""

from typing import Any

import jax

from gradtx._core.flow import Flow
from gradtx._core.selection import Where
from gradtx._core.transformation import GradientTransformation, chain, transformation
from gradtx._core.types import Decay, Positive, PyTree
from gradtx._moments.bias_correction import bias_correction
from gradtx._moments.ema import ema
from gradtx._transforms.scale_by_momentum import scale_by_momentum
from gradtx._transforms.scale_by_rms import scale_by_rms


def _kept(tree: PyTree, chosen: PyTree, wanted: bool) -> PyTree:
    return jax.tree.map(lambda leaf, is_chosen: leaf if is_chosen == wanted else None, tree, chosen)


@transformation
def split(where: Where, chosen: GradientTransformation, others: GradientTransformation) -> Any:
    """Run one optimizer on the leaves that `where` chooses and another on all others: u ← chosen(u) or others(u).

    Each sees its own leaves alone, so a norm over all leaves is one over those. `where` is a pattern over paths such as
    `"*/kernel"`, or a function of the path and the leaf.
    """

    def init(params: PyTree) -> Any:
        is_chosen = where(params)
        return {"chosen": chosen.init(_kept(params, is_chosen, True)), "others": others.init(_kept(params, is_chosen, False))}

    def update(updates: PyTree, state: Any, params: PyTree = None, *, flow: Flow) -> Any:
        is_chosen = where(updates if params is None else params)

        def run(inner: GradientTransformation, name: str) -> tuple[Flow, Any]:
            def own(tree: PyTree) -> PyTree:
                return _kept(tree, is_chosen, name == "chosen")

            return inner.carry(flow.map(own), state[name], None if params is None else own(params))

        def joined(first: PyTree, second: PyTree) -> PyTree:
            return jax.tree.map(
                lambda u, is_first, a, b: a if is_first else b, updates, is_chosen, first, second, is_leaf=lambda leaf: leaf is None
            )

        (one, of_chosen), (other, of_others) = run(chosen, "chosen"), run(others, "others")
        published = {name: joined(one.published[name], other.published[name]) for name in one.published if name in other.published}
        averaged = one.averaged or other.averaged
        both = Flow(joined(one.updates, other.updates), joined(one.gradient, other.gradient), published, averaged)
        return both, {"chosen": of_chosen, "others": of_others}

    return init, update


@transformation
def adam_elsewhere(where: Where, chosen: GradientTransformation, b1: Decay, b2: Decay, eps: Positive) -> Any:
    """Run `chosen` on the leaves that `where` chooses, and Adam's direction on all others: u ← m̂ / (√v̂ + eps).

    For methods that are made for matrices: embeddings, vectors and whatever is not chosen train as with Adam, under the
    same learning rate and weight decay behind it. `split` takes any other optimizer for them.
    """
    return split(where, chosen, chain(scale_by_momentum(bias_correction(ema(b1))), scale_by_rms(bias_correction(ema(b2)), eps)))
