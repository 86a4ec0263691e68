"""Pictures of a sweep: what each hyperparameter does to the loss, and how members learn. Diverged members show as crosses."""

from typing import Any

import numpy as np

from gradtx.sweep._results import Results

LOST = {"color": "#D55E00", "marker": "x", "linestyle": "none", "clip_on": False}


def plot_hyperparameters(results: Results, metric: str) -> Any:
    """The metric against each hyperparameter that varies, a panel each, with the median along it as a line: its marginal.

    Members that diverged are crosses at the upper edge. Returns a figure of matplotlib.
    """
    columns = _columns(results)
    values, good = _values(results, metric)
    figure, axes = _figure(len(columns), width=3.4, height=3.4)
    for panel, (name, column) in zip(axes, columns.items(), strict=True):
        x, ticks = _positions(column)
        if ticks is None and _is_near_one(x):
            name, x = f"1 − {name}", 1 - x
            panel.invert_xaxis()
        panel.plot(x[good], values[good], "o", color="#0072B2", alpha=0.45, markersize=4, label="member")
        panel.plot(*_marginal(x[good], values[good], _is_log(x, ticks)), color="black", linewidth=2, label="median")
        _scales(panel, x, values[good], ticks)
        if not good.all():
            panel.plot(x[~good], np.ones((~good).sum()), transform=panel.get_xaxis_transform(), label="diverged", **LOST)
        panel.set(xlabel=name)
    axes[0].set_ylabel(metric)
    handles = dict(zip(*reversed(axes[0].get_legend_handles_labels()), strict=True))
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=3, frameon=False)
    return figure


def plot_curves(results: Results, metric: str, color_by: str) -> Any:
    """The metric's curve of every member over its steps, coloured by a hyperparameter; curves that diverge end in a cross."""
    curves = results.curve(metric).astype(np.float64)
    if curves.ndim != 2:
        raise ValueError(
            f"{metric} is no curve: train returns it in shape {curves.shape[1:]} for each member. Return its course over the steps."
        )
    x, ticks = _positions(_column(results, color_by))
    figure, (axes,) = _figure(1, width=6.4, height=4.2)
    colors = _colors(figure, axes, x, ticks, color_by)
    for k in np.argsort(results.diverged, kind="stable"):
        finite = np.isfinite(curves[k])
        end = int(np.argmin(finite)) if not finite.all() else curves.shape[1]
        axes.plot(np.arange(end), curves[k, :end], color=colors[k], alpha=0.8, linewidth=1.2)
        if end < curves.shape[1]:
            at = (max(end - 1, 0), curves[k, end - 1] if end else np.nanmax(curves[:, 0], initial=1.0, where=np.isfinite(curves[:, 0])))
            axes.plot(*at, markersize=6, **LOST)
    finite = curves[np.isfinite(curves)]
    axes.set(xlabel="record", ylabel=metric, yscale="log" if finite.size and finite.min() > 0 else "linear")
    low, high = _robust(np.sort(finite))
    axes.set_ylim(low, high)
    return figure


def plot_parallel(results: Results, metric: str) -> Any:
    """Parallel coordinates: a line for each member through its hyperparameters to the metric, the best drawn last; diverged ones dashed."""
    columns = _columns(results)
    values, good = _values(results, metric)
    figure, (axes,) = _figure(1, width=1.8 * (len(columns) + 2), height=4.2)
    heights = []
    for j, column in enumerate(columns.values()):
        x, ticks = _positions(column)
        log = _is_log(x, ticks)
        heights.append(_unit(np.log10(x) if log else x, x))
        _axis(axes, j, x, ticks, log)
    log = bool(np.all(values[good] > 0))
    final = np.where(good, values, np.nan)
    heights.append(_unit(np.log10(np.where(good, values, 1.0)) if log else final, final, good))
    _axis(axes, len(columns), values[good], None, log)
    lines = np.array(heights)
    lines[-1, ~good] = 1.08
    colors = _colors(figure, axes, final, None, metric, good)
    for k in sorted(range(len(results)), key=lambda k: (good[k], -values[k] if good[k] else 0)):
        look = {"color": colors[k], "alpha": 0.75} if good[k] else {"color": LOST["color"], "alpha": 0.6, "linestyle": (0, (3, 2))}
        axes.plot(range(len(lines)), lines[:, k], linewidth=1.2, **look)
    if not good.all():
        axes.text(len(columns), 1.1, "diverged", color=LOST["color"], ha="center", va="bottom")
    axes.set_xticks(range(len(lines)), [*columns, metric])
    axes.set(yticks=[], ylim=(-0.05, 1.18), xlim=(-0.3, len(lines) - 0.5))
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    return figure


def plot_heatmap(results: Results, x: str, y: str, metric: str) -> Any:
    """The metric over two hyperparameters; where several members share both, the least of theirs. A cross where all diverged."""
    (at_x, ticks_x), (at_y, ticks_y) = (_positions(_column(results, name)) for name in (x, y))
    values, good = _values(results, metric)
    names_x, column = np.unique(at_x, return_inverse=True)
    names_y, row = np.unique(at_y, return_inverse=True)
    if len(names_x) * len(names_y) > 4 * len(results):
        raise ValueError(f"{x} and {y} take {len(names_x)} and {len(names_y)} values, too many for a heat map. Sweep a grid of both.")
    table, tried = np.full((len(names_y), len(names_x)), np.nan), np.zeros((len(names_y), len(names_x)), bool)
    for k in range(len(results)):
        tried[row[k], column[k]] = True
        if good[k]:
            table[row[k], column[k]] = np.fmin(table[row[k], column[k]], values[k])
    figure, (axes,) = _figure(1, width=2.2 + 0.6 * len(names_x), height=1.6 + 0.5 * len(names_y))
    image = axes.imshow(table, origin="lower", aspect="auto", cmap="viridis_r", norm=_norm(table[np.isfinite(table)]))
    axes.set_facecolor("0.92")
    for j, k in np.argwhere(tried & np.isnan(table)):
        axes.plot(k, j, markersize=8, **LOST)
    axes.set_xticks(range(len(names_x)), [_label(v, ticks_x) for v in names_x])
    axes.set_yticks(range(len(names_y)), [_label(v, ticks_y) for v in names_y])
    axes.set(xlabel=x, ylabel=y)
    axes.tick_params(length=0)
    figure.colorbar(image, ax=axes, label=metric)
    return figure


def _figure(panels: int, width: float, height: float) -> tuple[Any, Any]:
    try:
        from matplotlib.figure import Figure  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError('pictures need matplotlib: pip install "gradtx[plot]".') from error
    figure = Figure(figsize=(max(width * panels, 4.5), height), layout="constrained")
    axes = figure.subplots(1, panels, sharey=True, squeeze=False)[0]
    for panel in axes:
        panel.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _column(results: Results, name: str) -> list[Any]:
    if name not in results.hyperparameters:
        raise KeyError(f"there is no hyperparameter {name!r}; there are {', '.join(results.hyperparameters)}.")
    return results.hyperparameters[name]


def _columns(results: Results) -> dict[str, list[Any]]:
    if not results.varied:
        raise ValueError("no hyperparameter varies in these results, so there is nothing to draw.")
    return results.varied


def _values(results: Results, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """The final value of each member, and which of them are good."""
    values = results.final(metric).astype(np.float64)
    good = ~results.diverged & np.isfinite(values)
    if not good.any():
        raise ValueError(f"all {len(results)} members diverged; there is nothing to draw. Try smaller learning rates.")
    return values, good


def _positions(column: list[Any]) -> tuple[np.ndarray, list[str] | None]:
    """Where values lie on an axis: numbers at themselves, names in order at 0, 1, ... with their labels."""
    if all(isinstance(value, int | float) for value in column):
        return np.array(column, np.float64), None
    names = sorted({str(value) if value is not None else "none" for value in column})
    return np.array([names.index(str(value) if value is not None else "none") for value in column], np.float64), names


def _is_log(x: np.ndarray, ticks: list[str] | None) -> bool:
    return ticks is None and bool(np.all(x > 0)) and x.max() / x.min() >= 20


def _is_near_one(x: np.ndarray) -> bool:
    """Whether the numbers are decays whose distance from 1 is what varies."""
    return bool(np.all((x >= 0.5) & (x < 1))) and (1 - x.min()) / (1 - x.max()) >= 20


def _norm(values: np.ndarray) -> Any:
    from matplotlib.colors import LogNorm, Normalize  # pyright: ignore[reportMissingImports]

    low, high = (values.min(), values.max()) if values.size else (0.0, 1.0)
    return (LogNorm if low > 0 and high / low >= 5 else Normalize)(low, high)


def _scales(panel: Any, x: np.ndarray, y: np.ndarray, ticks: list[str] | None) -> None:
    if ticks is not None:
        panel.set_xticks(range(len(ticks)), ticks, rotation=20, ha="right")
    else:
        panel.set_xscale("log" if _is_log(x, ticks) else "linear")
    panel.set_yscale("log" if y.min() > 0 else "linear")


def _marginal(x: np.ndarray, y: np.ndarray, log: bool) -> tuple[np.ndarray, np.ndarray]:
    """The median of y at each value of x; in eight bins of equal count where there are many values."""
    values = np.unique(x)
    bins = (
        [x == value for value in values] if len(values) <= 12 else [np.isin(np.arange(len(x)), p) for p in np.array_split(np.argsort(x), 8)]
    )
    middle = [np.exp(np.mean(np.log(x[b]))) if log else np.mean(x[b]) for b in bins]
    return np.array(middle), np.array([np.median(y[b]) for b in bins])


def _colors(figure: Any, axes: Any, x: np.ndarray, ticks: list[str] | None, label: str, good: Any = slice(None)) -> Any:
    """A colour for each member, with a bar that explains them."""
    import matplotlib  # pyright: ignore[reportMissingImports]
    from matplotlib.cm import ScalarMappable  # pyright: ignore[reportMissingImports]

    shades = ScalarMappable(_norm(x[good]), matplotlib.colormaps["viridis"])
    bar = figure.colorbar(shades, ax=axes, label=label)
    if ticks is not None:
        bar.set_ticks(range(len(ticks)), labels=ticks)
    return shades.to_rgba(x)


def _robust(values: np.ndarray) -> tuple[float | None, float | None]:
    """Limits that leave the largest two hundredths out where these would hide the rest."""
    if not values.size:
        return None, None
    high = values[int(0.98 * (len(values) - 1))]
    return (None, float(high)) if values[-1] > 10 * abs(high) else (None, None)


def _unit(values: np.ndarray, x: np.ndarray, good: Any = slice(None)) -> np.ndarray:
    low, high = np.min(values[good]), np.max(values[good])
    return (values - low) / (high - low) if high > low else np.full(len(x), 0.5)


def _axis(axes: Any, j: int, x: np.ndarray, ticks: list[str] | None, log: bool) -> None:
    """One of the parallel axes with the values at its ends."""
    axes.axvline(j, 0.05 / 1.23, 1.05 / 1.23, color="0.3", linewidth=1)
    labels = dict(zip(np.linspace(0, 1, len(ticks)), ticks, strict=True)) if ticks else {0: f"{x.min():.3g}", 1: f"{x.max():.3g}"}
    for height, label in labels.items():
        axes.text(j + 0.03, height, label, fontsize=8, va="bottom" if height < 0.5 else "top")


def _label(value: float, ticks: list[str] | None) -> str:
    return f"{value:.3g}" if ticks is None else ticks[int(value)]
