"""What the leaves of a state mean: which parameter each belongs to, which part keeps it as what, decoded from the codec it is kept in."""

import collections
import dataclasses
import functools
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from gradtx import GradientTransformation
from gradtx._core.run import Context
from gradtx._core.signals import Signals, Visit
from gradtx._core.trees import is_trainable, path_names
from gradtx._core.types import PyTree
from gradtx._storage.codec import CodecKind
from gradtx.training._migrate_coder import Coder
from gradtx.training._migrate_parts import Kind, Parts, Path
from gradtx.training._migrate_wrappers import AVERAGES, BASES, scheduled_outside


@dataclasses.dataclass(frozen=True)
class SlotLeaf:
    """A leaf of a state, decoded. `parts` are the paths of the arrays it is kept as; `meaning` is slot and parameter, for comparing.

    `parameter` is the path of the one that it belongs to, None where all of them share it; `correction` and `basis` are the paths of the
    bias correction and of the part in a basis that it stands in. `coder` encodes it where it is in code.
    """

    slot: str
    value: Any
    parts: dict[str, tuple[Any, ...]]
    meaning: tuple[Any, ...]
    parameter: tuple[str, ...] | None
    kind: Kind
    correction: str
    basis: str
    coder: Coder | None = None

    @property
    def within(self) -> tuple[str, Path] | None:
        """The part in a basis that it stands in, and its parameter; None if there is none."""
        return None if not self.basis or self.parameter is None else (self.basis, self.parameter)


class Slots:
    """The state of an optimizer, leaf by leaf, by path and by meaning; `ones` are the weights of each bias correction."""

    def __init__(self, tx: GradientTransformation, state: PyTree, params: PyTree) -> None:
        self.tx, self.state, self.step = tx, state, state["step"]
        self.parts = Parts(tx, params)
        self.owned = _owned(tx, state, params)
        self.codings: dict[int, tuple[Any, Any]] = {}
        self.keepers = functools.cache(self._keepers)
        self.leaves = self._read(state)
        self.ones: dict[str, tuple[str, ...]] = {}
        for path, leaf in self.leaves.items():
            if leaf.correction and path.startswith(f"{leaf.correction}/of_one/"):
                self.ones[leaf.correction] = (*self.ones.get(leaf.correction, ()), path)

    def _read(self, state: PyTree) -> dict[str, SlotLeaf]:
        rows: dict[tuple[tuple[str, ...], tuple[str, ...]], dict[str, tuple[Any, Any]]] = {}
        for path, value in jax.tree_util.tree_leaves_with_path(state):
            slot, leaf = self._split(path_names(path))
            coded = bool(self.keepers(slot))
            rows.setdefault((slot[:-1] if coded else slot, leaf), {})[slot[-1] if coded else ""] = (path, value)
        return dict(found for (slot, leaf), parts in rows.items() for found in self._leaves(slot, leaf, parts))

    def _split(self, names: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The path of a slot, and that of the parameter within it."""
        k = next((k for k in range(len(names)) if names[:k] in self.owned), len(names))
        return names[:k], names[k:]

    def _leaves(self, slot: tuple[str, ...], leaf: tuple[str, ...], parts: dict[str, tuple[Any, Any]]) -> Iterator[tuple[str, SlotLeaf]]:
        """The leaf that is kept as these arrays; each array by itself where it is not known what it is in code."""
        arrays = {name: jnp.asarray(value) for name, (_, value) in parts.items()}
        coder = None if "" in arrays else self._coder(slot, leaf, arrays)
        places = {name: place for name, (place, _) in parts.items()}
        whole = "" in arrays or coder is not None
        for name, value in {"": arrays[""] if coder is None else coder.decoded(arrays)}.items() if whole else arrays.items():
            own = slot if whole else (*slot, name)
            in_code = not whole and name in self._code(slot)
            meaning = self.parts.meaning(slot if in_code else own, leaf), leaf
            codec = (name, *(self._opened(visit)[0] for visit in self.keepers(slot))) if in_code else ()
            yield (
                "/".join((*own, *leaf)),
                SlotLeaf(
                    "/".join(own),
                    value,
                    places if whole else {"": places[name]},
                    (*meaning, *codec),
                    leaf if leaf or path_names(next(iter(places.values()))) in self.owned else None,
                    self.parts.kind(own, leaf),
                    "/".join(self.parts.last(slot, ["bias_correction"], leaf)),
                    "/".join(self.parts.last(slot, BASES, leaf)),
                    coder,
                ),
            )

    def _keepers(self, slot: tuple[str, ...]) -> list[Visit]:
        """The visits of the part that keeps a slot in code."""
        return self.parts.deepest(slot, lambda visit: _codec_argument(visit.part) is not None)

    def _coder(self, slot: tuple[str, ...], leaf: tuple[str, ...], arrays: Mapping[str, Any]) -> Coder | None:
        """The coder for a leaf as the codec saw it at init, whose shape tells of which side or in which basis it is."""
        seen = [(visit, visit.seen[leaf]) for visit in self.keepers(slot) if leaf in visit.seen]
        coders = (Coder.of(*self._opened(visit), like, arrays) for visit, like in seen)
        return next((coder for coder in coders if coder is not None), None)

    def _code(self, slot: tuple[str, ...]) -> set[str]:
        """What the arrays are called in which a codec keeps something; whatever else is beside them is no code."""
        names = {"wide"}
        for visit in self.keepers(slot):
            for like in dict.fromkeys(visit.seen.values()):
                names |= jax.eval_shape(Coder(*self._opened(visit), like, 0).encoded, like, 0).keys()
        return names

    def _opened(self, keeper: Visit) -> tuple[Any, Any]:
        """The codec of a part, and opened."""
        if id(keeper) not in self.codings:
            found = _codec_argument(keeper.part)
            assert found is not None
            name, kind = found
            codec = keeper.part.arguments[name]
            context = Context(Signals(step=jnp.asarray(self.step), nonnegative=keeper.nonnegative))
            opened = kind.resolve(codec, "restore: codec", context)
            self.codings[id(keeper)] = (codec, kind.nonnegative or keeper.nonnegative), opened
        return self.codings[id(keeper)]

    def own_place(self, path: str) -> str:
        """The path of the part that moves updates with a leaf."""
        leaf = self.leaves[path]
        return "/".join(self.parts.of_mover(tuple(leaf.slot.split("/")), leaf.parameter or ()))

    def axes(self, within: tuple[str, Path]) -> set[str]:
        """The leaves that are kept of the basis of a parameter."""
        place, parameter = within
        return {path for path, leaf in self.leaves.items() if leaf.parameter == parameter and leaf.slot.startswith(f"{place}/basis/")}

    def part_at(self, place: str) -> Any:
        """The part at such a path."""
        names = tuple(place.split("/"))
        return self.parts.part(names, len(names) - 1)

    def of_squares(self, correction: str) -> bool:
        """Whether a bias correction is that of squares."""
        return self.parts.nonnegative(tuple(correction.split("/")))

    @property
    def taken(self) -> list[str]:
        """The paths at which wrappers count the steps that reach their part, which its schedules go by."""
        return [path for path, leaf in self.leaves.items() if path == leaf.slot and path.endswith("/taken")]

    def schedule_count(self) -> str | None:
        """The path of what all schedules go by: the innermost wrapper that counts, or the step. None where they go by several."""
        taken = sorted((tuple(path.split("/")) for path in self.taken), key=len)
        if not taken:
            return "step"
        nested = all(inner[: len(around) - 1] == around[:-1] for around, inner in itertools.pairwise(taken))
        return "/".join(taken[-1]) if nested and not self._scheduled_outside() else None

    def _scheduled_outside(self) -> bool:
        """Whether a schedule may stand outside of all wrappers that count steps."""
        counting = {part.form.spec_name for path in self.taken if (part := self.part_at(path.rpartition("/")[0])) is not None}
        return scheduled_outside(self.tx, counting)

    def agreed_count(self) -> str | None:
        """The path of one of the counts that schedules go by, where there are several in groups and all are the same."""
        taken = self.taken
        same = len({int(self.leaves[path].value) for path in taken}) == 1
        return taken[0] if same and not self._scheduled_outside() else None

    def weight_of_average(self, leaf: SlotLeaf) -> str:
        """The path of what says how much an average of a parameter has taken in; empty for every other leaf."""
        slot = tuple(leaf.slot.split("/"))
        part = self.parts.part(slot, len(slot) - 2, leaf.parameter or ()) if len(slot) > 1 and slot[-1] == "average" else None
        beside = AVERAGES.get(part.form.spec_name) if part is not None else None
        return "/".join((*slot[:-1], beside)) if beside else ""

    def codec(self, path: str) -> Any:
        """The codec of a leaf, None where it is kept as it is."""
        coder = self.leaves[path].coder
        return None if coder is None else coder.codec

    def coded(self, values: Mapping[str, Any], old: "Slots", sources: Mapping[str, str], rescaled: set[str], state: PyTree) -> PyTree:
        """The state with these values: as they were kept before where the codec is the same one, else in the new one's code."""
        kept: dict[tuple[Any, ...], Any] = {}
        before = dict(jax.tree_util.tree_leaves_with_path(old.state))
        for path, leaf in self.leaves.items():
            source = sources.get(path)
            if source is not None and path not in rescaled and self._kept_alike(path, old, source, before):
                parts = {name: before[place] for name, place in old.leaves[source].parts.items()}
            elif leaf.coder is None:
                parts = {"": values[path]}
            else:
                parts = leaf.coder.encoded(values[path], jnp.asarray(self.step))
            kept |= {leaf.parts[name]: value for name, value in parts.items()}
        return jax.tree_util.tree_map_with_path(lambda path, leaf: jnp.array(kept[path], leaf.dtype), state)

    def _kept_alike(self, path: str, old: "Slots", source: str, before: Mapping[Any, Any]) -> bool:
        """Whether the arrays that an old leaf was kept as can stand as they are."""
        here, there = self.leaves[path], old.leaves[source]
        alike = here.parts.keys() == there.parts.keys() and self.codec(path) == old.codec(source)
        return alike and ("" not in here.parts or before[there.parts[""]].dtype == here.value.dtype)


def _codec_argument(part: Any) -> tuple[str, Any] | None:
    """The argument of a part that is a codec in which it keeps something itself, and its kind."""
    for name, value in part.arguments.items():
        kind = part.form.kinds[name]
        kind = getattr(kind, "kind", kind)
        if value is not None and isinstance(kind, CodecKind) and kind.opened:
            return name, kind
    return None


def _owned(tx: GradientTransformation, state: PyTree, params: PyTree) -> set[tuple[str, ...]]:
    """The paths of the slots that hold something for each parameter: below them are leaves of the parameters, and nothing else."""
    paths = _inner_paths(params)
    if paths == {()}:  # a bare array: a slot of it and a number look alike, but for what they are with a tree around it
        inside = jax.eval_shape(tx.init, jax.tree.map(lambda leaf: [jax.ShapeDtypeStruct(jnp.shape(leaf), jnp.result_type(leaf))], params))
        return {names[:-1] for path, _ in jax.tree_util.tree_leaves_with_path(inside) if (names := path_names(path))[-1] == "0"}
    below = collections.defaultdict[tuple[str, ...], set[tuple[str, ...]]](set)
    for path, _ in jax.tree_util.tree_leaves_with_path(state):
        names = path_names(path)
        for k in range(1, len(names)):
            below[names[:k]].add(names[k:])
    return {slot for slot, leaves in below.items() if leaves <= paths and "of_one" not in slot}


def _inner_paths(params: PyTree) -> set[tuple[str, ...]]:
    """The paths of the trained leaves as parts see them: complex ones as their real and imaginary parts."""
    paths = set[tuple[str, ...]]()
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        if is_trainable(leaf):
            names = path_names(path)
            paths |= {(*names, part) for part in ("real", "imag")} if jnp.iscomplexobj(leaf) else {names}
    return paths
