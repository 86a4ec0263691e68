"""Pictures of the race and of the sweep."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LogNorm
from race import Result
from style import COLORS, DASHES, MARKERS
from sweep import DECAYS, LEARNING_RATES, Sweep

GUESSING = np.log(10)


def draw_race(results: list[Result], passes: int, file: Path) -> None:
    """Left, the loss over the budget; right, how much each method minds its number."""
    figure, (curves, numbers) = plt.subplots(1, 2, figsize=(11, 4.4))
    for result in results:
        name = result.entrant.name
        look = {"color": COLORS[name], "linestyle": DASHES[name], "label": name, "linewidth": 2}
        spent = passes * np.arange(1, len(result.losses) + 1) / len(result.losses)
        curves.plot(spent, result.losses, **look)
        factors = np.asarray(result.entrant.numbers) / float(result.entrant.numbers[result.best])
        numbers.plot(factors, result.validation, marker=MARKERS[name], markersize=5, **look)
    curves.set(yscale="log", xlabel="budget spent (gradients of the training set)", ylabel="training loss", xlim=(0, passes))
    curves.set_title("Training loss, each method at its best number")
    numbers.axhline(GUESSING, color="0.6", linewidth=1)
    numbers.annotate("guessing", (0.01, GUESSING), xycoords=("axes fraction", "data"), va="bottom", color="0.4")
    numbers.set_xscale("log", base=2)
    numbers.set(yscale="log", xlabel="number ÷ its best value", ylabel="validation loss at the end")
    numbers.set_title("How much the choice of that number matters")
    for axes in (curves, numbers):
        axes.set_yticks([0.03, 0.1, 0.3, 1, 3], labels=["0.03", "0.1", "0.3", "1", "3"])
        axes.minorticks_off()
    curves.set_ylim(top=3)
    numbers.set_ylim(0.09, 4)
    figure.legend(*curves.get_legend_handles_labels(), loc="outside lower center", ncols=8, handlelength=2.6, columnspacing=1.4)
    figure.savefig(file)
    plt.close(figure)


def draw_sweep(sweep: Sweep, file: Path) -> None:
    """The validation loss of all 64 optimizers; along a dashed line the rate in the long run, η / (1 − ρ), is the same."""
    rows, columns = sweep.losses.shape
    lost = ~(sweep.losses < GUESSING)
    shown = np.where(lost, np.nan, sweep.losses)
    figure, axes = plt.subplots(figsize=(7.6, 5.6))
    image = axes.imshow(shown, origin="lower", cmap="viridis_r", norm=LogNorm(np.nanmin(shown), GUESSING), aspect="auto")
    axes.set_facecolor("0.92")
    for row, column in np.ndindex(rows, columns):
        dark = not lost[row, column] and image.norm(shown[row, column]) > 0.5
        text = "–" if lost[row, column] else f"{shown[row, column]:.3f}"
        axes.text(column, row, text, ha="center", va="center", fontsize=9, color="white" if dark else "black")
    best_row, best_column = np.unravel_index(np.nanargmin(shown), shown.shape)
    axes.add_patch(plt.Rectangle((best_column - 0.5, best_row - 0.5), 1, 1, fill=False, color="#D55E00", linewidth=3, label="the best"))
    along = np.array([-0.5, columns - 0.5])
    axes.plot(along, best_row + best_column - along, "--", color="#D55E00", linewidth=1.2, alpha=0.7, label="the same η / (1 − ρ)")
    axes.set(xlim=(-0.5, columns - 0.5), ylim=(-0.5, rows - 0.5))
    axes.set_xticks(range(columns), [f"1/{1 / rate:.0f}" if rate < 1 else f"{rate:.0f}" for rate in LEARNING_RATES])
    axes.set_yticks(range(rows), [f"{decay:.4g}" for decay in DECAYS])
    axes.set(xlabel="learning rate η", ylabel="decay ρ of the momentum")
    axes.set_title("Validation loss of 64 optimizers: sgd(η, trace(ρ)),\none vmapped program; – is no better than guessing")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axes, label="validation loss")
    bar.ax.minorticks_off()
    ticks = [0.15, 0.2, 0.3, 0.5, 1, 2]
    bar.set_ticks(ticks, labels=[f"{tick:g}" for tick in ticks])
    figure.legend(loc="outside lower center", ncols=2)
    figure.savefig(file)
    plt.close(figure)
