"""Different transformations for different leaves."""

import typing
from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple, final

import jax

from gradtx._core.flow import Flow
from gradtx._core.kinds import Kind, shown
from gradtx._core.run import Context, label, labels
from gradtx._core.selection import Selection, Where
from gradtx._core.transformation import GradientTransformation, chain, transformation
from gradtx._core.trees import path_name
from gradtx._core.types import Decay, Positive, PyTree
from gradtx._moments.bias_correction import bias_correction
from gradtx._moments.ema import ema
from gradtx._moments.stored import stored
from gradtx._storage.codec import Codec
from gradtx._transforms.scale_by_momentum import scale_by_momentum
from gradtx._transforms.scale_by_rms import scale_by_rms


def _is_none(leaf: Any) -> bool:
    return leaf is None


def _only(tree: PyTree, owners: PyTree, owner: int) -> PyTree:
    """The leaves of `tree` that belong to one owner; the others are None."""
    return jax.tree.map(lambda leaf, own: leaf if own == owner else None, tree, owners)


def _joined(trees: Sequence[PyTree], owners: PyTree) -> PyTree:
    """One tree with each leaf from the tree of its owner."""
    return jax.tree.map(lambda own, *leaves: None if own is None else leaves[own], owners, *trees, is_leaf=_is_none)


def _joined_flow(flows: Sequence[Flow], owners: PyTree) -> Flow:
    """What flows behind all of them: their own leaves of everything that each of them has."""
    everywhere = set[str].intersection(*(set(flow.published) for flow in flows))
    published = {name: _joined([flow.published[name] for flow in flows], owners) for name in flows[0].published if name in everywhere}
    updates = _joined([flow.updates for flow in flows], owners)
    return Flow(
        updates,
        _joined([flow.gradient for flow in flows], owners),
        published,
        *(any(getattr(flow, trait) for flow in flows) for trait in ("averaged", "downhill")),
    )


@transformation
def masked(where: Where, inner: GradientTransformation) -> Any:
    """Run `inner` on the chosen leaves and pass the others on as they are: u ← inner(u) where chosen, else u.

    `inner` does not see the others: its norms are over the chosen leaves, and it has state for those alone. `freeze` stops the others
    instead, and `partition` gives them something else. `where` is a pattern over paths such as `"*/kernel"`, or a
    function of the path and the leaf.
    """

    def owners(tree: PyTree) -> PyTree:
        return jax.tree.map(int, where(tree))

    def init(params: PyTree) -> Any:
        return inner.init(_only(params, owners(params), 1))

    def update(updates: PyTree, state: Any, params: PyTree = None, *, flow: Flow) -> Any:
        own = owners(updates if params is None else params)
        visible = None if params is None else _only(params, own, 1)
        moved, state = inner.carry(flow.map(lambda tree: _only(tree, own, 1)), state, visible)
        return _joined_flow([flow, moved], own), state

    def evaluate(params: PyTree, state: Any) -> PyTree:
        own = owners(params)
        return _joined([params, inner.evaluate(_only(params, own, 1), state)], own)

    return init, update, evaluate


class Group(NamedTuple):
    """A group of leaves as the body of `partition` sees it."""

    where: Selection
    inner: GradientTransformation

    def kept(self, entries: dict[str, Any]) -> dict[str, Any]:
        """The state of `inner` as the group keeps it: that of one part without the part's name, which the group has."""
        return entries if self.inner.form.composes else entries.get(label(self.inner), {})

    def entries(self, kept: dict[str, Any]) -> dict[str, Any]:
        """What `kept` was made of."""
        return kept if self.inner.form.composes or not kept else {label(self.inner): kept}


def _owners(groups: Sequence[Group], tree: PyTree) -> PyTree:
    """The number of the first group that chooses each leaf."""
    choices = [group.where(tree) for group in groups]
    owners = jax.tree.map(lambda _, *chosen: chosen.index(True) if any(chosen) else -1, tree, *choices)
    lost = [path_name(path) for path, own in jax.tree_util.tree_leaves_with_path(owners) if own < 0]
    if lost:
        listed = f"{', '.join(lost[:4])}{f' and {len(lost) - 4} more' if len(lost) > 4 else ''}"
        raise ValueError(
            f"partition: no group chooses {listed}. Add a last group for all that is left: (None, sgd(0.1)), or (None, scale(0.0)) to "
            "leave it as it is."
        )
    return owners


@final
class GroupKind(Kind):
    """A pair of a choice of leaves and a transformation, kept as `masked(where, transformation)`."""

    dynamic = True
    statistic = False

    def accept(self, value: Any, where: str) -> GradientTransformation:
        if isinstance(value, tuple | list) and len(typing.cast(Any, value)) == 2:
            value = masked(*typing.cast(Any, value))
        if not isinstance(value, GradientTransformation) or value.form is not getattr(masked, "form", None):
            raise TypeError(
                f"{where} must be a pair of a choice of leaves and a transformation, got {shown(value)}. "
                'Write ("*/embedding", adamw(1e-3)); the last pair takes what is left: (None, sgd(0.1)).'
            )
        return value

    def resolve(self, value: Any, where: str, context: Context) -> Group:
        selection = value.form.kinds["where"].resolve(value.where, f"{where}: where", context)
        return Group(selection, value.inner.bind(context, False))


@transformation
def partition(*groups: Annotated[tuple[Where, GradientTransformation] | GradientTransformation, GroupKind()]) -> Any:
    """Give each leaf to the first group that chooses it: u ← txₖ(u), k = min {j : whereⱼ chooses the leaf}.

    A group is a pair of a choice, as for `where=` everywhere, and a transformation: `partition(("*/embedding", adamw(1e-3)),
    (lambda path, leaf: leaf.ndim == 2, muon_direction), (None, sgd(0.1)))`. None chooses all that is left. A leaf that no group
    chooses is an error, so none goes untrained unseen. Each group sees its own leaves alone: norms over all leaves are
    over those. Learning rates of their own for some leaves: `chain(adam_direction, partition(("head/*", scale(10.0)),
    (None, identity())), scale_by_learning_rate(...))`. `describe` prints the group of each leaf.
    """

    resolved = typing.cast(tuple[Group, ...], groups)
    named = dict(zip(labels([group.inner for group in resolved]), resolved, strict=True))

    def init(params: PyTree) -> Any:
        owners = _owners(resolved, params)
        states = {name: group.inner.init(_only(params, owners, k)) for k, (name, group) in enumerate(named.items())}
        return _without_empty({name: named[name].kept(entries) for name, entries in states.items()})

    def update(updates: PyTree, state: Any, params: PyTree = None, *, flow: Flow) -> Any:
        owners = _owners(resolved, updates if params is None else params)

        def run(k: int, name: str, group: Group) -> tuple[Flow, dict[str, Any]]:
            visible = None if params is None else _only(params, owners, k)
            before = group.entries((state or {}).get(name, {}))
            moved, entries = group.inner.carry(flow.map(lambda tree: _only(tree, owners, k)), before, visible)
            return moved, group.kept(entries)

        ran = {name: run(k, name, group) for k, (name, group) in enumerate(named.items())}
        return _joined_flow([moved for moved, _ in ran.values()], owners), _without_empty({name: kept for name, (_, kept) in ran.items()})

    def evaluate(params: PyTree, state: Any) -> PyTree:
        owners = _owners(resolved, params)
        ran = enumerate(named.items())
        return _joined([g.inner.evaluate(_only(params, owners, k), g.entries(state.get(name, {}))) for k, (name, g) in ran], owners)

    return init, update, evaluate


def _without_empty(entries: dict[str, Any]) -> dict[str, Any]:
    return {name: entry for name, entry in entries.items() if entry}


@transformation
def adam_elsewhere(where: Where, chosen: GradientTransformation, b1: Decay, b2: Decay, eps: Positive, storage: Codec | None = None) -> Any:
    """Run `chosen` on the leaves that `where` chooses, and Adam's direction on all others: u ← m̂ / (√v̂ + eps).

    For methods that are made for matrices: embeddings, vectors and whatever is not chosen train as with Adam, under the
    same learning rate and weight decay behind it. `partition` takes any other optimizer for them.
    """
    first, second = (bias_correction(stored(ema(decay), storage)) for decay in (b1, b2))
    others = chain(scale_by_momentum(first), scale_by_rms(second, eps))
    return partition((where, chosen), (None, others))
