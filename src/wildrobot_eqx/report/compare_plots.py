"""Curves of several runs over each other."""

import io
import math
from collections.abc import Callable, Sequence
from typing import Any

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from ..evaluate.walking.shown import describe
from ..train.log import error_names
from .comparison import Comparison
from .plots import escaped, number, smooth

GRIDS = ("reward terms, per second", "learning")
"""Titles of plots that consist of small ones, and are wide."""
_GRID = "#d8dee4"
_ABREAST = 4  # small plots in a row
_MILLION = "million control steps"

Place = Callable[[dict[str, Any]], float]


def _steps(line: dict[str, Any]) -> float:
    return number(line.get("steps")) / 1e6


def _minutes(line: dict[str, Any]) -> float:
    return number(line.get("wall_clock_s")) / 60.0


def compare_plots(comparison: Comparison) -> dict[str, bytes]:
    """Draw what the runs' metrics.jsonl allow.

    Returns:
        PNG files by title, in the order to show them.
    """
    known = {key for run in comparison.runs for line in run.figures for key in line}
    drawn = {
        "return": _plot(comparison, "episode_return", "return per episode", _MILLION, _steps),
        "return over time": _plot(comparison, "episode_return", "return per episode", "minutes of training", _minutes),
        "terminations": _plot(
            comparison, "terminations_per_minute", "terminations per simulated minute", _MILLION, _steps
        ),
    }
    for name in error_names(known):
        shown = describe(name)
        label = f"{shown.label}, {shown.unit}" if shown.unit else shown.label
        drawn[shown.label] = _plot(comparison, name, label, _MILLION, _steps)
    terms = sorted(key for key in known if key.startswith("reward/"))
    drawn[GRIDS[0]] = _grid(comparison, terms)
    drawn[GRIDS[1]] = _grid(comparison, [key for key in ("learning_rate", "kl", "entropy", "std") if key in known])
    return {title: content for title, content in drawn.items() if content is not None}


def _plot(comparison: Comparison, key: str, label: str, xlabel: str, place: Place) -> bytes | None:
    canvas = Canvas(figsize=(6.4, 3.8), layout="constrained")
    axes = _axes(canvas.add_subplot(), xlabel=xlabel, ylabel=escaped(label))
    if not _curves(axes, comparison, key, place, faint=True):
        return None
    canvas.legend(loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    return _png(canvas)


def _grid(comparison: Comparison, keys: Sequence[str]) -> bytes | None:
    """A small plot for each figure."""
    if not keys:
        return None
    columns = min(_ABREAST, len(keys))
    rows = -(-len(keys) // columns)
    canvas = Canvas(figsize=(3.0 * columns, 2.0 * rows + 0.5), layout="constrained")
    some = False
    for i, key in enumerate(keys):
        axes = _axes(canvas.add_subplot(rows, columns, i + 1))
        axes.set_title(escaped(key.removeprefix("reward/")), fontsize=9)
        axes.tick_params(labelsize=7)
        some |= _curves(axes, comparison, key, _steps, faint=False)
    if not some:
        return None
    handles = {label: handle for axes in canvas.axes for handle, label in zip(*axes.get_legend_handles_labels())}
    canvas.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    return _png(canvas)


def _curves(axes: Axes, comparison: Comparison, key: str, place: Place, faint: bool) -> bool:
    """Draw a figure of every run that has it; whether any has."""
    colours, some = colormaps["tab10" if len(comparison.runs) <= 10 else "tab20"], False
    for i, (name, run) in enumerate(zip(comparison.names, comparison.runs)):
        points = [(place(line), number(line.get(key))) for line in run.figures]
        points = [(x, y) for x, y in points if math.isfinite(x)]
        if sum(math.isfinite(y) for _, y in points) < 2:
            continue
        x, y = [x for x, _ in points], [y for _, y in points]
        colour = colours(i % colours.N)
        if faint:
            axes.plot(x, y, color=colour, linewidth=0.6, alpha=0.25)
        axes.plot(x, smooth(y), color=colour, linewidth=1.6, label=escaped(name.lstrip("_")))
        some = True
    return some


def _axes(axes: Axes, **labels: Any) -> Axes:
    axes.set(**labels)
    axes.grid(color=_GRID, linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def _png(canvas: Canvas) -> bytes:
    out = io.BytesIO()
    canvas.savefig(out, dpi=100, facecolor="white")
    return out.getvalue()
