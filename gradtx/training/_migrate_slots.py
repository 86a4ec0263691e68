"""What the leaves of a state mean: which parameter each belongs to, which part keeps it as what, decoded from the codec it is kept in."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from gradtx import GradientTransformation
from gradtx._core.contract import init
from gradtx._core.describe import _opened
from gradtx._core.numerics import widened
from gradtx._core.order import moved_by
from gradtx._core.run import Context
from gradtx._core.signals import Signals, Visits
from gradtx._core.trees import is_trainable
from gradtx._core.types import PyTree

TRANSPARENT = {
    *("partition", "masked", "freeze", "adam_elsewhere", "skip_nonfinite", "skip_spikes", "accumulate", "every", "lookahead"),
    *("average", "uniform_average"),
}
"""Wrappers in which a part keeps what it keeps outside of them: a statistic of the same gradients, or of some of the leaves."""


@dataclasses.dataclass(frozen=True)
class SlotLeaf:
    """A leaf of a state, decoded. `parts` are the paths of the arrays it is kept as; `meaning` is slot and parameter, for comparing."""

    slot: str
    value: Any
    parts: dict[str, tuple[Any, ...]]
    meaning: tuple[Any, ...]
    correction: str


class Slots:
    """The state of an optimizer, leaf by leaf, by path and by meaning; `ones` are the weights of each bias correction."""

    def __init__(self, tx: GradientTransformation, state: PyTree, params: PyTree) -> None:
        self.params = _inner_shapes(params)
        self.state, self.step = state, state["step"]
        self.visits = Visits()
        init(
            tx,
            jax.tree.map(lambda p: jax.ShapeDtypeStruct(jnp.shape(p), jnp.result_type(p)) if is_trainable(p) else p, params),
            self.visits,
        )
        self.labels = {path[-1]: part for path, part, _ in self.visits}
        self.codings: dict[str, Any] = {}
        self.leaves = self._read(state)
        self.ones: dict[str, tuple[str, ...]] = {}
        for path, leaf in self.leaves.items():
            if leaf.correction and path.startswith(f"{leaf.correction}/of_one/"):
                self.ones[leaf.correction] = (*self.ones.get(leaf.correction, ()), path)

    def _read(self, state: PyTree) -> dict[str, SlotLeaf]:
        rows: dict[tuple[tuple[str, ...], tuple[str, ...]], dict[str, tuple[Any, Any]]] = {}
        for path, value in jax.tree_util.tree_leaves_with_path(state):
            slot, leaf = self._split(tuple(jax.tree_util.keystr((key,), simple=True) for key in path))
            coded = any(_base(name) == "stored" for name in slot) and self._decodable(slot)
            rows.setdefault((slot[:-1] if coded else slot, leaf), {})[slot[-1] if coded else ""] = (path, value)
        return dict(self._leaf(slot, leaf, parts) for (slot, leaf), parts in rows.items())

    def _split(self, names: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The path of a slot, and that of the parameter within it."""
        k = next((k for k in range(len(names)) if names[k:] in self.params), len(names))
        return names[:k], names[k:]

    def _decodable(self, slot: tuple[str, ...]) -> bool:
        """Whether what is kept has the shape of a parameter as the user has it."""
        parts = [self.labels[name] for name in slot if name in self.labels]
        return not any(any(True for _ in moved_by(part)) and part.form.name not in TRANSPARENT and not _is_scope(part) for part in parts)

    def _leaf(self, slot: tuple[str, ...], leaf: tuple[str, ...], parts: dict[str, tuple[Any, Any]]) -> tuple[str, SlotLeaf]:
        path, arrays = "/".join((*slot, *leaf)), {name: value for name, (_, value) in parts.items()}
        if "" in arrays or "wide" in arrays:
            value = arrays.get("", arrays.get("wide"))
        else:
            shape = self.params.get(leaf)
            value = self.coding(slot).decode({name: jnp.asarray(part) for name, part in arrays.items()}, shape)
        found = SlotLeaf(
            "/".join(slot), value, {n: place for n, (place, _) in parts.items()}, (self._meaning(slot), leaf), _correction(slot)
        )
        return path, found

    def _meaning(self, slot: tuple[str, ...]) -> tuple[Any, ...]:
        """The slot without what stands around its part: optimizers, groups, codecs, wrappers that change nothing for it."""
        inner = {k + 1 for k, name in enumerate(slot) if _base(name) in TRANSPARENT and (*slot, "")[k + 1] == "inner"}
        kept = tuple(self._token(name) for k, name in enumerate(slot) if not self._passes(name) and k not in inner)
        meant = any(name in self.labels and not self._passes(name) for name in slot)
        last = next((k for k in reversed(range(len(slot))) if _base(slot[k]) in TRANSPARENT), 0)
        return kept if meant or slot == ("step",) else tuple(self._token(name) for name in slot[last:])

    def _passes(self, name: str) -> bool:
        part = self.labels.get(name, self.labels.get(_base(name)))
        if part is None:
            return _base(name) == "chain"
        return _base(name) == "stored" or part.form.name in TRANSPARENT or part.form.renames or _is_scope(part)

    def _token(self, name: str) -> Any:
        """A part by its factory and what it is told in words, so that another statistic under the same name is another."""
        part = self.labels.get(name, self.labels.get(_base(name)))
        if part is None:
            return name
        words = {key: value for key, value in part.arguments.items() if isinstance(value, str | bool) and key not in ("where", "name")}
        return part.form.spec_name, *sorted(words.items())

    def _visited(self, slot: tuple[str, ...], label: str) -> Any:
        """The part called `label` on the way to a slot, as it was bound there."""
        names = [_base(name) for name in slot]
        here = [(len(path), part) for path, part, _ in self.visits if _base(path[-1]) == label and _within([*map(_base, path)], names)]
        return max(here, key=lambda found: found[0])[1]

    def coding(self, slot: tuple[str, ...]) -> Any:
        """The codec that a slot is kept in, opened."""
        key = "/".join(slot)
        if key not in self.codings:
            part = self._visited(slot, "stored")
            context = Context(Signals(step=jnp.asarray(self.step), nonnegative=part._context.signals.nonnegative))
            opened = part.form.kinds["codec"].resolve(part.arguments["codec"], "restore: codec", context)
            self.codings[key] = opened, (part.arguments["codec"], context.signals.nonnegative)
        return self.codings[key][0]

    def of_squares(self, correction: str) -> bool:
        """Whether a bias correction is that of squares."""
        return self._visited(tuple(correction.split("/")), "bias_correction")._context.signals.nonnegative

    def codec(self, path: str) -> Any:
        """The codec of a leaf, None where it is kept as it is."""
        leaf = self.leaves[path]
        if "" in leaf.parts:
            return None
        self.coding(tuple(leaf.slot.split("/")))
        return self.codings[leaf.slot][1]

    def coded(self, values: Mapping[str, Any], old: "Slots", sources: Mapping[str, str], rescaled: set[str], state: PyTree) -> PyTree:
        """The state with these values: as they were kept before where the codec is the same one, else in the new one's code."""
        kept: dict[tuple[Any, ...], Any] = {}
        before = dict(jax.tree_util.tree_leaves_with_path(old.state))
        for path, leaf in self.leaves.items():
            source = sources.get(path)
            if source is not None and path not in rescaled and self._kept_alike(path, old, source, before):
                parts = {name: before[place] for name, place in old.leaves[source].parts.items()}
            elif "" in leaf.parts:
                parts = {"": values[path]}
            else:
                coding = self.coding(tuple(leaf.slot.split("/")))
                key = None if coding.key is None else jax.random.fold_in(coding.key, jnp.asarray(self.step))
                parts = coding.encode(values[path], key) if coding.fits(jnp.shape(values[path])) else {"wide": values[path]}
            kept |= {leaf.parts[name]: value for name, value in parts.items()}
        return jax.tree_util.tree_map_with_path(lambda path, leaf: jnp.array(kept[path], leaf.dtype), state)

    def _kept_alike(self, path: str, old: "Slots", source: str, before: Mapping[Any, Any]) -> bool:
        """Whether the arrays that an old leaf was kept as can stand as they are."""
        here, there = self.leaves[path], old.leaves[source]
        alike = here.parts.keys() == there.parts.keys() and self.codec(path) == old.codec(source)
        return alike and ("" not in here.parts or before[there.parts[""]].dtype == here.value.dtype)


def _base(name: str) -> str:
    """A name without the number that tells it from an equal one."""
    return re.sub(r"_\d+$", "", name)


def _within(path: Sequence[str], names: Sequence[str]) -> bool:
    """Whether a path goes through these names in this order, others between."""
    rest = iter(names)
    return all(name in rest for name in path)


def _is_scope(part: Any) -> bool:
    return bool(_opened(part))


def _correction(slot: tuple[str, ...]) -> str:
    """The path of the innermost bias correction on the way to a slot."""
    k = max((k for k, name in enumerate(slot) if _base(name) == "bias_correction"), default=-1)
    return "/".join(slot[: k + 1])


def _inner_shapes(params: PyTree) -> dict[tuple[str, ...], jax.ShapeDtypeStruct]:
    """The trained leaves as parts see them, by path: wide, and complex ones as their real and imaginary parts."""
    shapes: dict[tuple[str, ...], jax.ShapeDtypeStruct] = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        if not is_trainable(leaf):
            continue
        names = tuple(jax.tree_util.keystr((key,), simple=True) for key in path)
        like = jax.ShapeDtypeStruct(jnp.shape(leaf), widened(jnp.result_type(leaf)))
        shapes |= {(*names, part): like for part in ("real", "imag")} if jnp.iscomplexobj(leaf) else {names: like}
    return shapes
