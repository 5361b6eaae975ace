"""Plots of a sweep: seeds as spread, each figure's effect, parallel coordinates, and how trials came along."""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from ..atomic import writing
from .folder import SweepFolder
from .table import Results, Row, short_names

_GRID, _FADED, _BEST = "#d8dee4", "#9db8d2", "#c0392b"
_MOST = 30  # configurations in a plot
_LARGEST = 1e30  # beyond it Matplotlib's own sums overflow

Scale = Callable[[str], float]


def write_sweep_plots(folder: SweepFolder, results: Results) -> list[Path]:
    """Draw what the results allow into the sweep's `plots`.

    Returns:
        The PNG files drawn, in the order to show them.
    """
    target = folder.path / "plots"
    with writing(target):
        target.mkdir(exist_ok=True)
    shown = [row for row in results.rows if math.isfinite(row.value) and abs(row.value) < _LARGEST]
    varied = [key for key in results.keys if len({row.trial.values.get(key) for row in shown}) > 1]
    drawn: list[tuple[str, Canvas]] = []
    if len({row.trial.seed for row in shown}) > 1:
        drawn.append(("seeds", _seeds(results, varied)))
    if varied:
        drawn += [("effects", _effects(results, shown, varied)), ("coordinates", _coordinates(results, shown, varied))]
    if shown:
        drawn.append(("progress", _progress(folder, results, shown)))
    paths = []
    for name, canvas in drawn:
        paths.append(target / f"{name}.png")
        with writing(paths[-1]):
            canvas.savefig(paths[-1], dpi=110, facecolor="white")
    return paths


def _axes(axes: Axes, **labels: Any) -> Axes:
    axes.set(**labels)
    axes.grid(color=_GRID, linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def _scale(texts: Sequence[str]) -> tuple[Scale, bool, list[str]]:
    """Where values lie on an axis, whether it is logarithmic, and its categories; none for numbers."""
    numbers = [_number(text) for text in texts]
    if all(math.isfinite(number) for number in numbers):
        low, high = min(numbers), max(numbers)
        return _number, low > 0.0 and high > 20.0 * low, []
    categories = list(dict.fromkeys(texts))
    return lambda text: float(categories.index(text)), False, categories


def _number(text: str) -> float:
    try:
        value = json.loads(text)
    except ValueError:
        return math.nan
    plain = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _LARGEST
    return float(value) if plain else math.nan


def _effects(results: Results, shown: Sequence[Row], varied: Sequence[str]) -> Canvas:
    """The metric of every trial over each varied figure by itself, and of each value the mean."""
    columns = min(len(varied), 3)
    rows = -(-len(varied) // columns)
    canvas = Canvas(figsize=(max(4.2, 3.2 * columns), 2.8 * rows + 0.3), layout="constrained")
    names = short_names(results.keys)
    for i, key in enumerate(varied):
        own = [row for row in shown if key in row.trial.values]
        texts = [row.trial.values[key] for row in own]
        place, log, categories = _scale(texts)
        axes = _axes(canvas.add_subplot(rows, columns, i + 1), xlabel=names[key])
        x, y = [place(text) for text in texts], [row.value for row in own]
        axes.scatter(x, y, s=14, color=_FADED)
        means = {}
        for text in dict.fromkeys(texts):
            values = [row.value for row in own if row.trial.values[key] == text]
            means[place(text)] = sum(values) / len(values)
        if len(means) <= 12:
            axes.plot(sorted(means), [means[at] for at in sorted(means)], "o-", color="#1f5f99", markersize=4)
        if log:
            axes.set_xscale("log")
        if categories:
            axes.set_xticks(range(len(categories)), [text[:16] for text in categories], rotation=20, ha="right")
        if i % columns == 0:
            axes.set_ylabel(results.goal.metric)
    canvas.suptitle("each figure by itself; line: mean of a value", fontsize=10)
    return canvas


def _coordinates(results: Results, shown: Sequence[Row], varied: Sequence[str]) -> Canvas:
    """A line for each trial through its values to its metric; the best is red."""
    canvas = Canvas(figsize=(max(5.0, 1.6 * (len(varied) + 1)), 3.8), layout="constrained")
    axes = canvas.add_subplot()
    names, own = short_names(results.keys), [row for row in shown if all(key in row.trial.values for key in varied)]
    heights, ticks = [], []
    for key in varied:
        texts = [row.trial.values[key] for row in own]
        place, log, categories = _scale(texts)
        at = [math.log(place(text)) if log else place(text) for text in texts]
        heights.append(_unit(at))
        ends = sorted(set(zip(heights[-1], texts)), key=lambda pair: pair[0])
        ticks.append(ends if categories and len(ends) <= 8 else [ends[0], ends[-1]])
    values = [row.value for row in own]
    heights.append(_unit(values))
    low, high = min(values), max(values)
    ticks.append([(0.0 if high > low else 0.5, f"{low:.4g}"), (1.0 if high > low else 0.5, f"{high:.4g}")])
    colours, best = colormaps["viridis"], results.best()
    for i, row in enumerate(own):
        is_best = best is not None and row.trial.number == best.trial.number
        goodness = heights[-1][i] if results.goal.more_is_better else 1.0 - heights[-1][i]
        line = [column[i] for column in heights]
        style: dict[str, Any] = {"color": colours(goodness), "alpha": 0.8, "linewidth": 1.0}
        if is_best:
            style = {"color": _BEST, "linewidth": 2.4, "zorder": 3}
        axes.plot(range(len(line)), line, **style)
    for x, marks in enumerate(ticks):
        axes.axvline(x, color="#8795a1", linewidth=1.0)
        for height, label in marks:
            axes.annotate(label[:14], (x, height), xytext=(4, 0), textcoords="offset points", fontsize=8, va="center")
    axes.set_xticks(range(len(heights)), [*(names[key] for key in varied), results.goal.metric], rotation=12)
    axes.set_yticks([])
    axes.set_title("trials through their values; red: the best", fontsize=10)
    axes.spines[:].set_visible(False)
    return canvas


def _unit(values: Sequence[float]) -> list[float]:
    """Values scaled to 0 .. 1; 0.5 where all are equal."""
    low, high = min(values), max(values)
    return [(value - low) / (high - low) if high > low else 0.5 for value in values]


def _seeds(results: Results, varied: Sequence[str]) -> Canvas:
    """Each configuration's seeds as points, with their mean; the best mean on top."""
    found = [one for one in results.configurations() if one.compared][:_MOST]
    canvas = Canvas(figsize=(6.4, max(1.8, 0.35 * len(found) + 1.2)), layout="constrained")
    axes = _axes(canvas.add_subplot(), xlabel=results.goal.metric, title="seeds of each configuration; bar: mean")
    names, labels = short_names(results.keys), []
    for y, one in enumerate(found):
        values = [row.value for row in one.compared]
        axes.plot([min(values), max(values)], [y, y], color=_FADED, linewidth=2.0)
        axes.scatter(values, [y] * len(values), s=16, color="#1f5f99", zorder=3)
        axes.scatter([one.mean], [y], marker="|", s=180, color=_BEST if y == 0 else "#1b2a3a", zorder=4)
        labels.append(", ".join(f"{names[key]}={one.values[key]}" for key in varied if key in one.values) or "all")
    axes.set_yticks(range(len(found)), [label[:48] for label in labels], fontsize=8)
    axes.invert_yaxis()
    return canvas


def _progress(folder: SweepFolder, results: Results, shown: Sequence[Row]) -> Canvas:
    """The metric of every trial over its control steps."""
    canvas = Canvas(figsize=(6.4, 3.6), layout="constrained")
    axes = _axes(canvas.add_subplot(), xlabel="million control steps", ylabel=results.goal.metric, title="trials")
    best = results.best()
    for row in shown:
        lines = [line for line in folder.figures(row.trial.number) if _finite(line.get(results.goal.metric))]
        x, y = [_finite_or_0(line.get("steps")) / 1e6 for line in lines], [line[results.goal.metric] for line in lines]
        is_best = best is not None and row.trial.number == best.trial.number
        colour = _BEST if is_best else "#d9a441" if row.trial.status == "stopped" else _FADED
        how: dict[str, Any] = {"marker": "o", "markersize": 3} if len(x) < 20 else {}
        axes.plot(x, y, color=colour, linewidth=2.0 if is_best else 0.9, zorder=3 if is_best else 2, **how)
    return canvas


def _finite(value: Any) -> bool:
    plain = isinstance(value, (int, float)) and not isinstance(value, bool)
    return plain and math.isfinite(value) and abs(value) < _LARGEST


def _finite_or_0(value: Any) -> float:
    return float(value) if _finite(value) else 0.0
