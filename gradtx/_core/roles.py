"""What the leaves of a model are: a role for each by its path, with the axes that rules for layers and matrices have to know."""

import functools
import math
from collections.abc import Callable
from typing import Annotated, Any, TypeAlias, cast, final

from gradtx._core.call import Call, nearest, register
from gradtx._core.factory import factory
from gradtx._core.kinds import Alone, Kind, shown
from gradtx._core.patterns import Pattern, accepted_pattern, fits
from gradtx._core.view import View

Axes: TypeAlias = int | tuple[int, ...]

OF_MATRICES = ("matrix", "embedding", "head", "conv")
"""The roles whose last axis is the outputs unless they say otherwise."""


@final
class Role(Call):
    """What a leaf is, and which of its axes are which. Made by `role("matrix")`."""

    def view(self, shape: tuple[int, ...], leaf: str) -> View:
        """How the leaf of that name and shape is seen: a matrix (inputs, outputs) for each layer and head, or what is left of it."""
        return self.form.open(self.arguments, Alone(self.form.name))(shape, leaf)

    def _argument(self, name: str, value: Any, write: Callable[[Any], str]) -> list[str]:
        if name == "name":
            return [write(value)]
        return [] if value == self.form.signature.parameters[name].default else [f"{name}={write(value)}"]


def _counted(axes: Axes, shape: tuple[int, ...], leaf: str) -> tuple[int, ...]:
    """The axes counted from the front."""
    several = (axes,) if isinstance(axes, int) else axes
    for axis in several:
        if not -len(shape) <= axis < len(shape):
            raise ValueError(f"role: {leaf} of shape {shape} has no axis {axis}. Give it a role with other axes.")
    return tuple(axis % len(shape) for axis in several)


def _order(role: str, axes: dict[str, Axes | None], shape: tuple[int, ...], leaf: str) -> dict[str, tuple[int, ...]]:
    """The axes of each kind. Those of `inputs` are what is left, if they are not said."""
    said = {kind: _counted(given, shape, leaf) for kind, given in axes.items() if given is not None}
    taken = [axis for counted in said.values() for axis in counted]
    left = tuple(axis for axis in range(len(shape)) if axis not in taken)
    if len(set(taken)) < len(taken):
        raise ValueError(f"role: an axis of {leaf}, which has shape {shape}, has two meanings: {said}. Give each axis one.")
    if not said["outputs"]:
        return {**said, "inputs": left}
    if "inputs" in said and not left:
        return said
    if "inputs" not in said and left and (role == "conv" or len(left) == 1):
        return {**said, "inputs": left}
    raise ValueError(
        f"role: {leaf} has shape {shape}, and its role {role!r} says {said}, so the axes {left} may be anything. Say what each axis is: "
        f"role({role!r}, inputs=..., outputs=..., stack=..., heads=...)."
    )


def _check_fused(fused: float) -> None:
    if fused < 1:
        raise ValueError(f"fused must be at least 1 matrix, got {fused}.")


@functools.partial(factory, Role, check=_check_fused)
def role(
    name: str, *, inputs: Axes | None = None, outputs: Axes | None = None, stack: Axes = (), heads: Axes = (), fused: int = 1
) -> Callable[[tuple[int, ...], str], View]:
    """What a leaf is: `role("matrix", stack=0)` is a stack of layers, each a matrix of shape (inputs, outputs).

    `name` is `"matrix"`, `"embedding"`, `"head"`, `"conv"`, `"norm"`, `"bias"`, or one of your own. The first four are matrices:
    their outputs are the last axis and their inputs the one that is left, or all that are left for `"conv"`, unless `outputs` and
    `inputs` say otherwise: `outputs=0` for kernels of shape (out, in), as in Equinox and PyTorch; `outputs=(1, 2)` for a
    query of shape (features, heads, size) that is one matrix. Along the axes of `stack` there are layers, along those of `heads`
    heads of attention, and along the outputs `fused` matrices side by side, 3 for query, key and value in one: each of
    them is a matrix of its own. Axes are numbers or tuples of them, negative ones from the end. It is for `roles`.
    """
    last = -1 if name in OF_MATRICES else ()

    def view(shape: tuple[int, ...], leaf: str) -> View:
        given = {"stack": stack, "heads": heads, "inputs": inputs, "outputs": last if outputs is None else outputs}
        axes = _order(name, given, shape, leaf)
        layers, matrix = (*axes["stack"], *axes["heads"]), (*axes["inputs"], *axes["outputs"])
        count = math.prod(shape[axis] for axis in layers) * fused if layers or fused > 1 else None
        if not axes["outputs"]:
            return View((*layers, *matrix), count, tuple(shape[axis] for axis in matrix))
        rows, columns = (math.prod(shape[axis] for axis in axes[side]) for side in ("inputs", "outputs"))
        if columns % fused:
            raise ValueError(f"role: {leaf} of shape {shape} has {columns} outputs, which are not {fused} matrices side by side.")
        return View((*layers, *matrix), count, (rows, columns // fused), fused)

    return view


@final
class RuleKind(Kind):
    """A pair of a pattern and a role, or the name of one with its usual axes."""

    dynamic = False

    def accept(self, value: Any, where: str) -> tuple[Any, Role]:
        if not isinstance(value, tuple | list) or len(cast(Any, value)) != 2:
            raise TypeError(f"{where} must be a pair of a pattern and a role, got {shown(value)}. Write ('*/kernel', 'matrix').")
        pattern, given = cast(tuple[Any, Any], value)
        given = role(given) if isinstance(given, str) else given
        if not isinstance(given, Role):
            raise TypeError(
                f"{where}: its role must be a role or the name of one, got {shown(given)}. Write 'matrix', or role('matrix', stack=0)."
            )
        return accepted_pattern(pattern, f"{where}: its pattern"), given

    def resolve(self, value: Any, where: str, context: Any) -> Any:
        return value


@final
class Roles(Call):
    """A table of rules that gives each leaf its role. Made by `roles(("*/kernel", "matrix"), ...)`."""

    def of(self, name: str, leaf: Any) -> Role | None:
        """The role of the leaf at the path `name`: that of the first rule that fits."""
        rules = cast(tuple[tuple[Pattern, Role], ...], self.rules)
        return next((found for pattern, found in rules if fits(pattern, name, leaf, "roles")), None)

    def chooses(self, name: str, leaf: Any) -> bool:
        """Whether the leaf has a role, one of `only` where that is given."""
        found = self.of(name, leaf)
        return found is not None and (self.only is None or found.arguments["name"] in self.only)

    def __str__(self) -> str:
        chosen = "" if self.only is None else f"[{', '.join(map(repr, self.only))}]"
        return f"roles({len(self.rules)} rules){chosen}"

    def __getitem__(self, names: str | tuple[str, ...]) -> "Roles":
        """The leaves of these roles alone: `table["matrix"]`, `table["norm", "bias"]`."""
        return self.replace(only=(names,) if isinstance(names, str) else names)


register(Role)
register(Roles)


def _check_only(rules: tuple[tuple[Any, Role], ...], only: tuple[str, ...] | None) -> None:
    known = dict.fromkeys(found.arguments["name"] for _, found in rules)
    for name in only or ():
        if name not in known:
            raise ValueError(f"no rule gives the role {name!r}{nearest(name, known)}; the roles are {', '.join(known) or 'none'}.")


@functools.partial(factory, Roles, check=_check_only)
def roles(*rules: Annotated[tuple[Pattern, str | Role], RuleKind()], only: tuple[str, ...] | None = None) -> Any:
    """One table that says what each leaf is: the role of a leaf is that of the first rule whose pattern fits its path.

    A rule is a pair: a pattern over paths, a regular expression, or a function of path and leaf; and a role, or the name
    of one with its usual axes. `roles(("*/embedding", "embedding"), ("blocks/*/kernel", role("matrix", stack=0)),
    ("*/kernel", "matrix"), (lambda path, leaf: leaf.ndim == 1, "bias"))`. The table, or a part of it such as `table["matrix"]`
    or `table["norm", "bias"]`, stands for any `where`: `muon(0.02, where=table["matrix"])`,
    `partition((table["matrix"], ...), (table["embedding"], ...), (None, ...))`. Rules for layers and matrices then see each
    leaf in the axes of its role (`layerwise`). A leaf that no rule fits has no role. `describe` prints the role of each leaf.
    """
    return None
