"""Different transformations for different leaves."""

import typing
from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple, final

import jax

from gradtx._core.flow import Flow
from gradtx._core.kinds import Kind, shown
from gradtx._core.run import Context, label, labels
from gradtx._core.selection import Selection, Where
from gradtx._core.shares import joined, joined_flow, only, without_empty
from gradtx._core.transformation import GradientTransformation, chain, transformation
from gradtx._core.trees import path_name
from gradtx._core.types import Decay, Positive, PyTree
from gradtx._moments.bias_correction import bias_correction
from gradtx._moments.ema import ema
from gradtx._moments.stored import stored
from gradtx._storage.codec import Codec
from gradtx._transforms.scale_by_momentum import scale_by_momentum
from gradtx._transforms.scale_by_rms import scale_by_rms


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
        return inner.init(only(params, owners(params), 1))

    def update(updates: PyTree, state: Any, params: PyTree = None, *, flow: Flow) -> Any:
        own = owners(updates if params is None else params)
        visible = None if params is None else only(params, own, 1)
        moved, state = inner.carry(flow.map(lambda tree: only(tree, own, 1)), state, visible)
        return joined_flow([flow, moved], own), state

    def evaluate(params: PyTree, state: Any) -> PyTree:
        own = owners(params)
        return joined([params, inner.evaluate(only(params, own, 1), state)], own)

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
    """The number of the one group that has each leaf: the one that chooses it, or that for all that is left."""
    named = [k for k, group in enumerate(groups) if group.where.where is not None]
    rest = next((k for k in range(len(groups)) if k not in named), None)
    chosen = [groups[k].where(tree) for k in named]

    def owner(path: Any, _: Any, *choices: bool) -> int:
        mine = [k for k, choice in zip(named, choices, strict=True) if choice]
        if len(mine) > 1:
            raise ValueError(
                f"partition: groups {mine[0] + 1} and {mine[1] + 1} both choose {path_name(path)}. Let one choose less, or choose by "
                'roles(...), in which the first rule that fits decides: (table["matrix"], ...), (table["embedding"], ...).'
            )
        return mine[0] if mine else -1 if rest is None else rest

    owners = jax.tree_util.tree_map_with_path(owner, tree, *chosen)
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
    """Give each leaf to the one group that chooses it: u ← txₖ(u) for the k with whereₖ.

    A group is a pair of a choice, as for `where=` everywhere, and a transformation: `partition(("*/embedding", adamw(1e-3)),
    ("*/kernel", muon_direction), (None, sgd(0.1)))`, or by role: `(table["matrix"], ...)` with a table of `roles`. None
    chooses all that is left. A leaf that no group chooses, or that two do, is an error, so none goes untrained unseen.
    Each group sees its own leaves alone: norms over all leaves are over those. Learning rates of their own for some leaves:
    `chain(adam_direction, partition(("head/*", scale(10.0)), (None, identity())), scale_by_learning_rate(...))`.
    `describe` prints the group of each leaf.
    """

    resolved = typing.cast(tuple[Group, ...], groups)
    named = dict(zip(labels([group.inner for group in resolved]), resolved, strict=True))

    def init(params: PyTree) -> Any:
        owners = _owners(resolved, params)
        states = {name: group.inner.init(only(params, owners, k)) for k, (name, group) in enumerate(named.items())}
        return without_empty({name: named[name].kept(entries) for name, entries in states.items()})

    def update(updates: PyTree, state: Any, params: PyTree = None, *, flow: Flow) -> Any:
        owners = _owners(resolved, updates if params is None else params)

        def run(k: int, name: str, group: Group) -> tuple[Flow, dict[str, Any]]:
            visible = None if params is None else only(params, owners, k)
            before = group.entries((state or {}).get(name, {}))
            moved, entries = group.inner.carry(flow.map(lambda tree: only(tree, owners, k)), before, visible)
            return moved, group.kept(entries)

        ran = {name: run(k, name, group) for k, (name, group) in enumerate(named.items())}
        return joined_flow([moved for moved, _ in ran.values()], owners), without_empty({name: kept for name, (_, kept) in ran.items()})

    def evaluate(params: PyTree, state: Any) -> PyTree:
        owners = _owners(resolved, params)
        ran = enumerate(named.items())
        return joined([g.inner.evaluate(only(params, owners, k), g.entries(state.get(name, {}))) for k, (name, g) in ran], owners)

    return init, update, evaluate


@transformation
def adam_elsewhere(where: Where, chosen: GradientTransformation, b1: Decay, b2: Decay, eps: Positive, storage: Codec | None = None) -> Any:
    """Run `chosen` on the leaves that `where` chooses, and Adam's direction on all others: u ← m̂ / (√v̂ + eps).

    For methods that are made for matrices: embeddings, vectors and whatever is not chosen train as with Adam, under the
    same learning rate and weight decay behind it. `partition` takes any other optimizer for them.
    """
    first, second = (bias_correction(stored(ema(decay), storage)) for decay in (b1, b2))
    others = chain(scale_by_momentum(first), scale_by_rms(second, eps))
    return partition((where, chosen), (None, others))
