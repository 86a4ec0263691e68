"""Branches that run side by side."""

import dataclasses
from typing import Any

import jax

from gradtx._core.flow import Flow
from gradtx._core.numerics import scaled
from gradtx._core.transformation import GradientTransformation, transformation
from gradtx._core.types import Numbers, PyTree


@transformation
def add(*transformations: GradientTransformation, weights: Numbers | None = None) -> Any:
    """Run several transformations on the same updates and add what they give: u ← Σ wᵢ branchᵢ(u).

    `weights` holds one number or schedule for each branch, 1 where left out. Each branch sees the same gradient and parameters,
    and keeps a state of its own under `branch_1`, `branch_2`, .... Seen from outside it is one part, which averages if any of them does;
    the gradient behind it is then the one that came in. A fast and a slow momentum: `add(ema(0.9), ema(0.999), weights=(1.0, 2.0))`.
    """
    if not transformations:
        raise ValueError("add needs at least one branch: add(ema(0.9), ema(0.99)).")
    if weights is not None and len(weights) != len(transformations):
        raise ValueError(f"add: weights has {len(weights)} numbers for {len(transformations)} branches. Give one for each.")
    names = [f"branch_{k}" for k in range(1, len(transformations) + 1)]

    def init(params: PyTree) -> Any:
        return {name: branch.init(params) for name, branch in zip(names, transformations, strict=True)}

    def update(updates: PyTree, state: Any, params: PyTree = None, *, flow: Flow) -> Any:
        runs = [branch.carry(flow, state[name], params) for name, branch in zip(names, transformations, strict=True)]
        trees = [moved.updates for moved, _ in runs]
        if weights is not None:
            trees = [scaled(tree, by=weight) for tree, weight in zip(trees, weights, strict=True)]
        total = jax.tree.map(lambda *leaves: sum(leaves[1:], leaves[0]), *trees)
        averaged = flow.averaged or any(moved.averaged for moved, _ in runs)
        downhill = any(moved.downhill for moved, _ in runs)
        entries = {name: entry for name, (_, entry) in zip(names, runs, strict=True)}
        return dataclasses.replace(flow, averaged=averaged, downhill=downhill).moved(total), entries

    return init, update
