"""Pictures of the paths that methods take down a surface: all of each path, step by step, and one step taken apart."""

from pathlib import Path
from typing import NamedTuple

import jax
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image
from style import COLORS, DASHES
from surfaces import DECAY, SURFACES, Surface, adaptive_methods, one_rate_methods, path

Paths = dict[tuple[int, int], dict[str, np.ndarray]]
FAMILIES = ((one_rate_methods, "one rate for all weights"), (adaptive_methods, "a rate for each weight"))


class Panel(NamedTuple):
    """One surface with the paths of one family of methods on it."""

    axes: Axes
    surface: Surface
    paths: dict[str, np.ndarray]
    minimum: Line2D


def _draw_surface(axes: Axes, surface: Surface) -> Line2D:
    """The heights of a surface and its minimum, a hollow star that lies over every path; returned to be drawn again over a ball."""
    left, right, bottom, top = surface.window
    x, y = np.meshgrid(np.linspace(left, right, 240), np.linspace(bottom, top, 240))
    height = np.asarray(surface.value((x, y)))
    height = np.log10(height - height.min() + 0.1 * np.ptp(height) ** 0.5)
    axes.contourf(x, y, height, 14, cmap="Greys", vmin=height.min(), vmax=height.max() + 4 * np.ptp(height))
    axes.contour(x, y, height, 14, colors="0.75", linewidths=0.5, linestyles="solid")
    style = {"markersize": 18, "markerfacecolor": "none", "markeredgecolor": "black", "markeredgewidth": 1.3}
    (minimum,) = axes.plot(*surface.minimum, "*", zorder=5, **style)
    axes.set(xlim=(left, right), ylim=(bottom, top), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    return minimum


def walk_all() -> Paths:
    """The paths of each family on each surface, by the row and column of their panel."""
    return {
        (row, column): {name: path(tx, surface) for name, tx in methods(surface).items()}
        for row, (methods, _) in enumerate(FAMILIES)
        for column, surface in enumerate(SURFACES)
    }


def draw_panels(paths: Paths) -> tuple[Figure, list[Panel]]:
    """The six surfaces, with start and minimum, titles and legends; the paths are still to be drawn."""
    figure, grid = plt.subplots(len(FAMILIES), len(SURFACES), figsize=(11, 7))
    panels: list[Panel] = []
    for (row, column), walked in paths.items():
        surface = SURFACES[column]
        panel = Panel(grid[row, column], surface, walked, _draw_surface(grid[row, column], surface))
        panels.append(panel)
        (start,) = panel.axes.plot(*surface.start, "X", markersize=9, color="black", markeredgecolor="white", zorder=3)
        legend = {"loc": "lower right", "frameon": True, "framealpha": 0.9, "edgecolor": "none"}
        if (row, column) == (0, 1):
            panel.axes.legend([start, panel.minimum], ["start", "minimum"], **legend)
        rates = f"η = {surface.rate:g}, with momentum {surface.momentum_rate:g}"
        titles = (f"{surface.name}, {surface.steps} steps\n{rates}", f"η = {surface.adaptive_rate:g}")
        panel.axes.set_title(titles[row], fontsize=10)
        if column == 0:
            panel.axes.set_ylabel(FAMILIES[row][1], fontsize=11)
            lines = [Line2D([], [], color=COLORS[name], linestyle=DASHES[name], marker="o", label=name) for name in walked]
            panel.axes.legend(handles=lines, handlelength=3, **legend)
    return figure, panels


def draw_paths(paths: Paths, file: Path) -> None:
    """All of every path: a dot for each step, a ball at the end."""
    figure, panels = draw_panels(paths)
    for panel in panels:
        for name, points in panel.paths.items():
            panel.axes.plot(*points.T, color=COLORS[name], linestyle=DASHES[name], linewidth=1.4, marker="o", markersize=2.2)
            panel.axes.plot(*points[-1], color=COLORS[name], marker="o", markersize=9, markeredgecolor="white", zorder=4)
    figure.savefig(file)
    plt.close(figure)


def animate(paths: Paths, file: Path, frames: int) -> None:
    """The same paths as they are walked: a ball for each method, with its trail."""
    figure, panels = draw_panels(paths)
    figure.set_dpi(72)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    background = canvas.copy_from_bbox(figure.bbox)
    images = []
    for frame in range(frames):
        canvas.restore_region(background)
        for panel in panels:
            for name, points in panel.paths.items():
                now = round(frame / (frames - 1) * (len(points) - 1))
                trail = panel.axes.plot(*points[: now + 1].T, color=COLORS[name], linestyle=DASHES[name], linewidth=1.4)
                ball = panel.axes.plot(*points[now], color=COLORS[name], marker="o", markersize=10, markeredgecolor="white")
                for artist in (*trail, *ball):
                    panel.axes.draw_artist(artist)
                    artist.remove()
            panel.axes.draw_artist(panel.minimum)
        images.append(Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy()))
    plt.close(figure)
    first, *rest = (image.quantize(palette=_palette(), dither=Image.Dither.NONE) for image in images)
    durations = [80] * (frames - 1) + [2000]
    first.save(file, save_all=True, append_images=rest, duration=durations, loop=0)


def _palette() -> Image.Image:
    """One palette for all frames, so that each stores only what moved: greys, and every colour faded towards white."""
    greys = np.linspace(0, 255, 64)[:, None] * np.ones(3)
    colors = 255 * np.array([to_rgb(color) for color in COLORS.values()])
    fades = [color + (255 - color) * fade for color in colors for fade in np.linspace(0, 1, 20, endpoint=False)]
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.concatenate([greys, fades]).round().astype(int).ravel().tolist())
    return palette


def draw_look_ahead(file: Path, steps: int = 5) -> None:
    """The first steps of momentum and Nesterov in the ravine, each taken apart into coasting and gradient."""
    surface = SURFACES[0]
    slope = jax.vmap(jax.grad(surface.value))
    walked = {name: path(tx, surface)[: steps + 1] for name, tx in one_rate_methods(surface).items()}
    momentum, ahead = walked["momentum"], walked["Nesterov"]
    coasted = momentum[1:-1] + DECAY * (momentum[1:-1] - momentum[:-2])
    landed = ahead - surface.momentum_rate * np.asarray(slope(ahead))
    # gradtx's Nesterov keeps the point it looks at, `ahead`; the ball itself is at `landed`, one gradient step from there.
    parts = (
        ("momentum: the gradient where the ball is", momentum[1:-1], coasted, momentum[2:], momentum[1:-1]),
        ("Nesterov: the gradient where the ball will be", landed[:-1], ahead[1:], landed[1:], ahead[1:]),
    )
    figure, grid = plt.subplots(1, 2, figsize=(11, 4.2), sharex=True, sharey=True)
    for axes, (title, begin, middle, end, read) in zip(grid, parts, strict=True):
        _draw_surface(axes, surface)
        for tail, tip, color in ((begin, middle, "#0072B2"), (middle, end, "#D55E00")):
            difference = tip - tail
            axes.quiver(*tail.T, *difference.T, color=color, angles="xy", scale_units="xy", scale=1, width=0.006, zorder=3)
        axes.plot(*np.concatenate([begin, end[-1:]]).T, "o", color="black", markersize=8, zorder=4, label="the ball")
        axes.plot(
            *read.T, "o", markersize=14, markerfacecolor="none", markeredgecolor="black", zorder=4, label="where the gradient is read"
        )
        axes.plot([], [], color="#0072B2", linewidth=3, label="coasting: ρ × the step before")
        axes.plot([], [], color="#D55E00", linewidth=3, label="gradient: −η ∇f")
        axes.axhline(0, color="0.5", linewidth=1, linestyle="dotted")
        axes.set_title(title)
        axes.set(xlim=(-9.2, -5.4), ylim=(-2.0, 1.0))
    figure.legend(*grid[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    figure.savefig(file)
    plt.close(figure)
