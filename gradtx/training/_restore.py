"""Going on from a checkpoint."""

import dataclasses
import pathlib
import warnings
from collections.abc import Mapping
from typing import Any, cast

import jax

from gradtx import GradientTransformation, from_spec
from gradtx._core.hints import instead_of_transformation
from gradtx._core.kinds import shown
from gradtx._core.placement import beside
from gradtx._core.trees import structure_as_text
from gradtx._core.types import PyTree
from gradtx.training._checkpoint_directory import ORBAX, checkpoints, is_single
from gradtx.training._checkpoint_errors import DamagedCheckpointError, MismatchedCheckpointError
from gradtx.training._checkpoint_file import read_file
from gradtx.training._checkpoint_leaves import SavedLeaf, plain_tree, saved_leaves
from gradtx.training._checkpoint_orbax import check_orbax, read_orbax, read_orbax_header, wait_for_orbax
from gradtx.training._migrate import migrated
from gradtx.training._migrate_report import Migration
from gradtx.training._restore_batch import abstract_state, check_members, joined, member, member_optimizer, members_in, parted
from gradtx.training._restore_fit import Shardings, check_fits, fitted, given_shardings


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """What was saved, and where it was: `tx`, `params`, `state` and `extra`, each None if it was not saved.

    `damaged` lists the later checkpoints that could not be read, with the reason; `migration` says what became of each leaf of the
    state, where it was restored for another optimizer.
    """

    path: pathlib.Path
    step: int | None
    tx: GradientTransformation | None
    params: PyTree
    state: PyTree
    extra: PyTree
    damaged: tuple[str, ...] = ()
    migration: Migration | None = None


def restore(
    path: str | pathlib.Path,
    *,
    step: int | None = None,
    tx: GradientTransformation | None = None,
    params: PyTree = None,
    state: PyTree = None,
    extra: PyTree = None,
    migrate: bool | Mapping[str, str] = False,
) -> Checkpoint:
    """Read what `save` wrote: the last checkpoint in a directory, that of a `step`, or one file.

    A checkpoint that is cut off or changed is never used: the one before it is, with a warning that says which and why; a `step` or a
    file that was asked for by name is an error then (DamagedCheckpointError).

    `params`, `state` and `extra` are trees like those saved, arrays or `jax.ShapeDtypeStruct`: what comes back has their structure and
    sharding, and other paths, shapes or dtypes are an error with all of them (MismatchedCheckpointError). Without them trees
    are dicts and lists. `tx` is needed where its spec could not be saved. Give it for other numbers, a new learning rate; one of
    another structure is an error unless you write `migrate=True`.

    `migrate=True` carries the state over to another `tx`: by parameter and by what a slot means, whatever stands around it in the
    chain and whatever codec keeps it. `print(checkpoint.migration)` says leaf by leaf what was carried, created and dropped.
    `migrate={"new/slot": "old/slot"}` ties paths of slots that no rule ties. Of a batch of optimizers each member is carried over.
    """
    _check_arguments(tx, migrate)
    place = pathlib.Path(path)
    wait_for_orbax()
    trees = {name: tree for name, tree in (("params", params), ("state", state), ("extra", extra)) if tree is not None}
    fitting = {name: tree for name, tree in trees.items() if name != "state" or migrate is False}
    found, leaves, header, damaged = _read(place, step, fitting, given_shardings(**trees))
    saved = _by_tree(leaves, header)
    for name in fitting:
        if name not in saved and jax.tree.leaves(fitting[name]) and not (name == "params" and migrate is not False):
            raise MismatchedCheckpointError(f"{found} has no {name}; it has {' and '.join(saved) or 'nothing'}. Leave {name}= out.")
    own_params = _tree(saved, "params", params, found)
    own_tx = tx if tx is not None else _optimizer(header["about"], found)
    common: dict[str, Any] = {
        "path": found,
        "step": header["step"],
        "tx": own_tx,
        "params": own_params,
        "extra": _tree(saved, "extra", extra, found),
    }
    if "state" not in saved:
        return Checkpoint(**common, state=None, damaged=damaged)
    if migrate is not False:
        before = _optimizer(header["about"], found)
        before = tx if before is None and _is_same(header["about"], tx, found) else before
        ties, (old, rest) = {} if migrate is True else migrate, parted(plain_tree(saved["state"]))
        kept, migration = _migrated(before, old, cast(GradientTransformation, tx), _needed(own_params, params, found), ties)
        kept = {"optimizer": kept, **rest} if rest else kept
        return Checkpoint(**common, state=_like(kept, state, own_params), damaged=damaged, migration=migration)
    if tx is not None:
        _check_same(header["about"], tx, found)
    kept = _tree(saved, "state", state, found)
    named_alike = params is not None or all(kind in ("key", "index") for leaf in saved.get("params", ()) for kind, _ in leaf.path)
    if state is None and own_tx is not None and own_params is not None and named_alike:
        old, rest = parted(kept)
        like = abstract_state(own_tx, own_params, members_in(old))
        if rest:
            own = [leaf for leaf in saved["state"] if leaf.path[0][1] == "optimizer"]
            kept = {**fitted(own, {"optimizer": like}, "state", found, HINTS["state"]), **rest}
        else:
            kept = _tree(saved, "state", like, found)
    told = given_shardings(state=state)
    return Checkpoint(**common, state=kept if told else beside(own_params, kept), damaged=damaged)


def _check_arguments(tx: Any, migrate: Any) -> None:
    if tx is not None and not isinstance(tx, GradientTransformation):
        raise TypeError(f"restore: tx must be a transformation of gradtx, got {shown(tx)}.{instead_of_transformation(tx)}")
    if migrate is False:
        return
    if migrate is not True and not (isinstance(migrate, Mapping) and all(isinstance(part, str) for tie in migrate.items() for part in tie)):
        raise TypeError(f"restore: migrate must be True, or a dict of paths of slots, got {migrate!r}.")
    if tx is None:
        raise ValueError("restore: migrate is for another optimizer than the saved one. Write restore(..., tx=..., migrate=...).")


def _migrated(before: Any, state: PyTree, tx: GradientTransformation, params: PyTree, ties: Mapping[str, str]) -> tuple[PyTree, Migration]:
    """The state carried over, and the report; for a batch of optimizers member by member, with the report of the first."""
    if not isinstance(state, dict) or "step" not in state:
        raise ValueError("restore: the saved state is none of an optimizer of gradtx, which has a step, so it cannot be carried over.")
    count = members_in(state)
    check_members(tx, state)
    if count is None or before is None:
        return migrated(before, state, tx, params, ties)
    pairs = [
        migrated(member_optimizer(before, k, count), member(state, k), member_optimizer(tx, k, count), member(params, k), ties)
        for k in range(count)
    ]
    return joined([kept for kept, _ in pairs]), pairs[0][1]


def _needed(saved: PyTree, given: PyTree, found: pathlib.Path) -> PyTree:
    params = given if saved is None else saved
    if params is None:
        raise ValueError("restore: to migrate a state, its parameters are needed, and none were saved. Write restore(..., params=...).")
    if any(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in jax.tree.leaves(params)):
        raise ValueError(
            f"restore: to migrate a state, its parameters are needed, and {found} has none. Give params= as arrays, not as shapes."
        )
    return params


HINTS = {"state": "If the optimizer has changed, write restore(..., migrate=True)."}


def _tree(saved: Mapping[str, list[SavedLeaf]], name: str, like: PyTree, found: pathlib.Path) -> PyTree:
    if name not in saved:
        return None
    return plain_tree(saved[name]) if like is None else fitted(saved[name], like, name, found, HINTS.get(name, ""))


def _by_tree(leaves: list[SavedLeaf], header: dict[str, Any]) -> dict[str, list[SavedLeaf]]:
    return {name: [leaf for leaf in leaves if leaf.name.split("/")[0] == name] for name in header["trees"]}


def _like(state: PyTree, like: PyTree, params: PyTree) -> PyTree:
    """The state as the leaves of `like` are, and where they lie; where there is none, beside the parameters."""
    return beside(params, state) if like is None else fitted(saved_leaves(state, "state"), like, "state", "the state carried over")


def _read(
    place: pathlib.Path, step: int | None, fitting: Mapping[str, PyTree], shardings: Shardings
) -> tuple[pathlib.Path, list[SavedLeaf], dict[str, Any], tuple[str, ...]]:
    if is_single(place):
        leaves, header = _contents(place, fitting, shardings)
        if step is not None and header["step"] != step:
            raise FileNotFoundError(f"restore: {place} is of step {header['step']}, not of step {step}.")
        return place, leaves, header, ()
    if not place.is_dir():
        raise FileNotFoundError(f"restore: there is no directory {place}. A file must end in .npz.")
    held = checkpoints(place)
    asked = [(k, entry) for k, entry in held if step is None or k == step]
    if not asked:
        have = f"has steps {', '.join(str(k) for k, _ in held[::-1])}" if held else "has none"
        raise FileNotFoundError(f"restore: {place} has no checkpoint{'' if step is None else f' of step {step}'}; it {have}.")
    damaged: list[str] = []
    for _, entry in asked:
        try:
            contents = _contents(entry, fitting, shardings)
        except DamagedCheckpointError as error:
            damaged.append(str(error))
            continue
        except (FileNotFoundError, IsADirectoryError) as error:  # a link to nowhere, a file that went since it was listed
            damaged.append(f"{entry} cannot be opened: {error.strerror}")
            continue
        if damaged:
            warnings.warn(f"restore: {'; '.join(damaged)}. Going on from {entry.name}, which is whole.", stacklevel=3)
        return entry, *contents, tuple(damaged)
    raise DamagedCheckpointError(
        f"restore: no checkpoint {'' if step is None else f'of step {step} '}in {place} is whole: {'; '.join(damaged)}"
    )


def _contents(path: pathlib.Path, fitting: Mapping[str, PyTree], shardings: Shardings) -> tuple[list[SavedLeaf], dict[str, Any]]:
    if path.suffix != ORBAX:
        return read_file(path)
    check_orbax("restore")
    leaves, header = read_orbax_header(path)
    for name, kept in _by_tree(leaves, header).items():
        if name in fitting:
            check_fits(kept, fitting[name], name, path, HINTS.get(name, ""))
    return read_orbax(path, header, shardings), header


def _optimizer(about: Mapping[str, Any], found: pathlib.Path) -> Any:
    if "spec" in about:
        try:
            return from_spec(about["spec"])
        except (TypeError, ValueError) as error:
            raise ValueError(f"restore: the optimizer in {found} cannot be made: {error}") from None
    return None


def _is_same(about: Mapping[str, Any], tx: Any, found: pathlib.Path) -> bool | None:
    """Whether an optimizer has the structure of the saved one; None where that is not known."""
    if "spec" in about:
        return jax.tree.structure(_optimizer(about, found)) == jax.tree.structure(tx)
    return about["structure"] == structure_as_text(jax.tree.structure(tx)) if "structure" in about else None


def _check_same(about: Mapping[str, Any], tx: GradientTransformation, found: pathlib.Path) -> None:
    """Refuse an optimizer of another structure, whose state could look the same and mean something else."""
    if _is_same(about, tx, found) is False:
        raise MismatchedCheckpointError(
            f"{found} belongs to another optimizer:\n  saved  {about['written']}\n  given  {tx!r}\n"
            "To carry its state over, write restore(..., migrate=True)."
        )
