"""Going on from PyTorch's Adam or AdamW."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import jax
import numpy as np

from gradtx import GradientTransformation
from gradtx._core.call import nearest
from gradtx._core.kinds import is_whole
from gradtx._core.trees import path_name
from gradtx._core.types import PyTree
from gradtx.training._import_adam import AdamLeaf, Imported, imported

Target = str | tuple[str, Sequence[int]] | None


def from_torch(tx: GradientTransformation, params: PyTree, state_dict: Mapping[str, Any], leaves: Mapping[str | int, Target]) -> Imported:
    """The state of `tx` that goes on from the `state_dict()` of `torch.optim.AdamW` or `Adam`.

    `leaves` maps each of PyTorch's parameters to the path of a leaf in `params`, or to a path and the axes to transpose by:
    `{"fc.weight": ("fc/kernel", (1, 0)), "fc.bias": "fc/bias"}`; None leaves one out. Its names are known where the optimizer was given
    `model.named_parameters()`; else write the numbers, in the order of `model.parameters()`. Each has its own step and
    decays: averages are rescaled so that the corrected ones stay what they were. `.migration` says what was carried. Nothing is
    unpickled here; load the file with `torch.load(path, weights_only=True)`.
    """
    if not isinstance(cast(Any, leaves), Mapping):
        raise TypeError(f"from_torch: leaves must map PyTorch's parameters to paths, got {type(leaves).__name__}.")
    if not isinstance(cast(Any, state_dict), Mapping) or not {"state", "param_groups"} <= set(state_dict):
        raise TypeError(f"from_torch: give optimizer.state_dict(), with 'state' and 'param_groups', got {type(state_dict).__name__}.")
    known = {name: (k, group) for group in state_dict["param_groups"] for k, name in _members(group, leaves)}
    for name in leaves:
        if name not in known:
            raise ValueError(f"from_torch: PyTorch has no parameter {name!r}{nearest(str(name), [str(other) for other in known])}.")
    unmapped = [str(name) for name in known if name not in leaves]
    if unmapped:
        raise ValueError(f"from_torch: no leaf is given for {', '.join(unmapped)}. Write None for one that is left out.")
    shapes = {path_name(path): np.shape(leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(params)}
    found: dict[str, AdamLeaf] = {}
    for name, target in leaves.items():
        if target is None:
            continue
        k, group = known[name]
        path, axes = _place(target, name)
        if path not in shapes or path in found:
            reason = "was given twice" if path in found else f"is no leaf of the parameters{nearest(path, shapes)}"
            raise ValueError(f"from_torch: {path!r}, for {name}, {reason}.")
        found[path] = _leaf(state_dict["state"].get(k), group, axes, shapes[path], str(name))
    return imported(tx, params, found, "from_torch")


def _members(group: Mapping[str, Any], leaves: Mapping[str | int, Target]) -> list[tuple[int, str | int]]:
    """The numbers of a group's parameters, with the names that the caller goes by."""
    by_name = "param_names" in group and any(isinstance(name, str) for name in leaves)
    return list(zip(group["params"], group["param_names"] if by_name else group["params"], strict=True))


def _place(target: Any, name: str | int) -> tuple[str, tuple[int, ...] | None]:
    """The path of a leaf, and the axes to transpose by if there are some."""
    if isinstance(target, str):
        return target, None
    match target:
        case (str(path), [*axes]) if all(map(is_whole, axes)):
            return path, tuple(axes)
        case _:
            raise TypeError(
                f"from_torch: {name} goes to the path of a leaf, or to a path and axes such as ('fc/kernel', (1, 0)), got {target!r}."
            )


def _leaf(entry: Any, group: Mapping[str, Any], axes: Any, shape: tuple[int, ...], name: str) -> AdamLeaf:
    if "betas" not in group or (entry is not None and not {"step", "exp_avg", "exp_avg_sq"} <= set(entry)):
        raise ValueError(f"from_torch: {name} has no averages of Adam. Give the state_dict() of torch.optim.Adam or AdamW.")
    if entry is not None and "max_exp_avg_sq" in entry:
        raise ValueError(
            f"from_torch: {name} was trained with amsgrad=True, which divides by the largest average so far, and that is not carried over."
        )
    b1, b2 = (float(beta) for beta in group["betas"])
    if entry is None:  # it had no gradient yet
        return AdamLeaf(np.zeros(shape), np.zeros(shape), 0, b1, b2)
    first, second = (_array(entry[key]) for key in ("exp_avg", "exp_avg_sq"))
    if axes is not None:
        if sorted(axes) != list(range(first.ndim)):
            raise ValueError(
                f"from_torch: the axes {axes} of {name} must be each of its {first.ndim} axes once, such as (1, 0) for a matrix."
            )
        first, second = first.transpose(axes), second.transpose(axes)
    return AdamLeaf(first, second, int(entry["step"]), b1, b2)


def _array(tensor: Any) -> np.ndarray[Any, Any]:
    tensor = tensor.detach().cpu() if hasattr(tensor, "detach") else tensor
    wide = tensor.double() if hasattr(tensor, "double") else tensor
    return np.asarray(wide, np.float64)
