"""The comparison as a picture: loss against steps, and final loss against the learning rate."""

import pathlib
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt

COLORS = ["#000000", "#56B4E9", "#CC79A7", "#E69F00", "#7f7f7f", "#009E73", "#0072B2", "#D55E00", "#8c6d1f"]
DASHES = ["solid", (0, (1, 1)), "solid", (0, (5, 1.5)), (0, (3, 1, 1, 1)), (0, (1, 1)), "solid", "solid", (0, (5, 1.5))]


def draw(found: dict[str, Any], steps: int, grid: np.ndarray, path: pathlib.Path) -> None:
    """Write the picture of what was found."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
    order = sorted(found, key=lambda name: np.mean(found[name]["curves"], axis=0)[-1])
    styles = dict(zip(found, zip(COLORS, DASHES, strict=True), strict=False))
    for name in order:
        color, dashes = styles[name]
        lines = np.asarray(found[name]["curves"])
        times = steps * np.arange(1, lines.shape[1] + 1) / lines.shape[1]
        left.plot(times, lines.mean(axis=0), color=color, linestyle=dashes, label=name)
        left.fill_between(times, lines.min(axis=0), lines.max(axis=0), color=color, alpha=0.12, linewidth=0)
        right.plot(grid, found[name]["tuning"], color=color, linestyle=dashes, marker="o", markersize=3)
    low = min(np.min(one["curves"]) for one in found.values())
    left.set(xlabel="step", ylabel="loss on held-out text (nats a character)", ylim=(low - 0.03, low + 0.9))
    left.set_title("at the best learning rate: mean and range of fresh seeds", fontsize=10)
    right.set(xlabel="learning rate over the middle of the grid", xscale="log", ylim=(low - 0.03, low + 0.9))
    right.set_xticks(grid, [f"{factor:g}" for factor in grid])
    right.minorticks_off()
    right.set_title("the sweep: final loss, mean of two seeds", fontsize=10)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.3)
    figure.legend(*left.get_legend_handles_labels(), loc="outside right upper", frameon=False)
    figure.savefig(path, dpi=150)
    plt.close(figure)
