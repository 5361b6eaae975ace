"""Plots of a run: its curves, its gate table, and how well it keeps the commanded speed."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.transforms import Bbox

from ..evaluate.walking.shown import Figure, describe
from ..runs.files import json_lines, read_object
from ..train.log import error_names

_RED, _GREEN, _INK, _GRID = "#c0392b", "#1e8449", "#1b2a3a", "#d8dee4"
_LARGEST = 1e30  # beyond it Matplotlib's own sums overflow
_CURVES = {
    "return": ("episode_return", "return per episode", "episode return"),
    "terminations": ("terminations_per_minute", "terminations per minute of simulated time", "terminations"),
    "diverged": ("diverged", "control steps per iteration", "simulations that diverged"),
}


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The whole JSON objects of a JSON-lines file, in order; what is cut short or foreign is left out."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return [value for _, value in json_lines(text) if isinstance(value, dict)]


def number(value: Any) -> float:
    """A JSON value as a float; NaN where it is no number, or one that no plot can show."""
    plain = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= _LARGEST
    return float(value) if plain else math.nan


def write_plots(run_dir: Path) -> list[Path]:
    """Draw whatever metrics.jsonl and eval.json allow into `run_dir`/plots.

    Returns:
        The PNG files drawn, in the order to show them.
    """
    folder = run_dir / "plots"
    folder.mkdir(exist_ok=True)
    drawn: list[Path] = []

    def save(name: str, canvas: Canvas) -> None:
        drawn.append(folder / f"{name}.png")
        canvas.savefig(drawn[-1], dpi=110, facecolor="white")

    verdict = read_object(run_dir / "eval.json")
    blocks = gate_blocks(verdict)
    if blocks:
        if verdict.get("columns", "command") == "command":
            save("tracking", _tracking(blocks))
        save("gate", _gate(verdict, blocks))
    lines = read_lines(run_dir / "metrics.jsonl")
    if len(lines) < 2:
        return drawn
    for name, (key, label, title) in {**_CURVES, **_errors(lines)}.items():
        values = [number(line.get(key)) for line in lines]
        if any(map(math.isfinite, values)) and (name != "diverged" or any(values)):
            save(name, _curve(lines, key, label, title))
    terms = sorted({key for line in lines for key in line if key.startswith("reward/")})
    if terms:
        save("reward_terms", _terms(lines, terms))
    if any("learning_rate" in line or "kl" in line for line in lines):
        save("learning", _learning(lines))
    return drawn


def _errors(lines: Sequence[dict[str, Any]]) -> dict[str, tuple[str, str, str]]:
    """Of each value that is commanded how far it is off: figure, label and title, by the plot's name."""
    found = {}
    for name in error_names({key for line in lines for key in line}):
        shown = describe(name)
        unit = f", {shown.unit}" if shown.unit else ""
        found[name] = (name, f"mean |measured - commanded|{unit}", f"{shown.label} while learning")
    return found


def gate_axes(verdict: dict[str, Any]) -> list[str]:
    """What an eval.json's commands ask for: "" for speeds ahead, then "left" and "turn", where they were judged."""
    found = verdict.get("figures")
    entries = [entry for entry in (found if isinstance(found, list) else []) if isinstance(entry, dict)]
    return list(dict.fromkeys(str(entry.get("axis", "")) for entry in entries))


Column = float | str
"""What heads a column of a gate's table: a commanded number, or the name of a case."""


def gate_column(entry: dict[str, Any]) -> Column:
    """The column of an entry of an eval.json, a line or figures."""
    name = entry.get("case")
    return name if isinstance(name, str) and name else number(entry.get("command"))


def in_order(columns: Iterable[Column]) -> list[Column]:
    """Columns once each: numbers by size, then names as they come."""
    found = list(dict.fromkeys(columns))
    numbers = sorted(column for column in found if isinstance(column, float))
    return [*numbers, *(column for column in found if not isinstance(column, float))]


def heading(column: Column) -> str:
    """A column's heading."""
    return f"{column:g}" if isinstance(column, float) else column


def shown_as(verdict: dict[str, Any], name: str) -> Figure:
    """How an eval.json says that a figure is shown; where it says nothing, as walking knows it."""
    figures = verdict.get("shown")
    figure = figures.get(name) if isinstance(figures, dict) else None
    if not isinstance(figure, dict):
        return describe(name)
    scale, digits = number(figure.get("scale", 1.0)), number(figure.get("digits", 2))
    whole = math.isfinite(scale) and 0.0 <= digits <= 12.0
    label, unit = str(figure.get("label", name)), str(figure.get("unit", ""))
    return Figure(label, unit, scale, int(digits)) if whole else Figure(label, unit)


def gate_blocks(verdict: dict[str, Any], axis: str = "") -> dict[float, dict[Column, dict[str, Any]]]:
    """An eval.json's figures of one axis by timestep (s) and column: `{"required": bool, "values": {...}}`."""
    blocks: dict[float, dict[Column, dict[str, Any]]] = {}
    found = verdict.get("figures")
    for entry in found if isinstance(found, list) else []:
        mine = isinstance(entry, dict) and isinstance(entry.get("values"), dict)
        if mine and str(entry.get("axis", "")) == axis:
            blocks.setdefault(number(entry.get("timestep")), {})[gate_column(entry)] = entry
    return blocks


def gate_lines(verdict: dict[str, Any], axis: str = "") -> dict[tuple[str, Column, float], dict[str, Any]]:
    """An eval.json's lines of one axis by figure, column and timestep (s)."""
    found = verdict.get("lines")
    return {
        (str(line.get("name")), gate_column(line), number(line.get("timestep"))): line
        for line in (found if isinstance(found, list) else [])
        if isinstance(line, dict) and str(line.get("axis", "")) == axis
    }


def _axes(canvas: Canvas, place: int = 111, **labels: str) -> Axes:
    axes = canvas.add_subplot(place)
    axes.set(**labels)
    axes.grid(color=_GRID, linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def _series(lines: Sequence[dict[str, Any]], key: str) -> tuple[list[float], list[float]]:
    """Millions of control steps (or iterations, where those are unknown) and the figure."""
    steps = [number(line.get("steps", math.nan)) / 1e6 for line in lines]
    if any(math.isnan(x) for x in steps):
        steps = [number(line.get("iteration", i)) for i, line in enumerate(lines)]
    return steps, [number(line.get(key)) for line in lines]


def _xlabel(lines: Sequence[dict[str, Any]]) -> str:
    return "million control steps" if all("steps" in line for line in lines) else "iteration"


def smooth(values: Sequence[float]) -> list[float]:
    """The mean over about a twentieth of the curve, half of it before each point and half after; NaN where all is NaN.

    It is centred, so that a curve which jumps is not shown to lag behind.
    """
    if not values:
        return []
    array, window = np.asarray(values, np.float64), np.ones(2 * (len(values) // 40) + 1)
    known = np.isfinite(array)
    count = np.convolve(known, window, "same")
    total = np.convolve(np.where(known, array, 0.0), window, "same")
    return [float(mean) for mean in np.where(count > 0.5, total / np.maximum(count, 1.0), np.nan)]


def _curve(lines: Sequence[dict[str, Any]], key: str, label: str, title: str) -> Canvas:
    canvas = Canvas(figsize=(6.4, 3.4), layout="constrained")
    axes = _axes(canvas, xlabel=_xlabel(lines), ylabel=label, title=title)
    x, y = _series(lines, key)
    axes.plot(x, y, color="#9db8d2", linewidth=0.8)
    axes.plot(x, smooth(y), color="#1f5f99", linewidth=2.0)
    return canvas


def _terms(lines: Sequence[dict[str, Any]], terms: Sequence[str]) -> Canvas:
    canvas = Canvas(figsize=(6.4, 4.6), layout="constrained")
    axes = _axes(canvas, xlabel=_xlabel(lines), ylabel="weighted reward per second", title="reward terms")
    colours = colormaps["tab20"]
    for i, key in enumerate(terms):
        x, y = _series(lines, key)
        axes.plot(x, smooth(y), color=colours(i % 20), linewidth=1.6, label=key.removeprefix("reward/"))
    canvas.legend(loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    return canvas


def _learning(lines: Sequence[dict[str, Any]]) -> Canvas:
    canvas = Canvas(figsize=(6.4, 4.6), layout="constrained")
    top = _axes(canvas, 211, ylabel="learning rate", title="learning rate and KL divergence")
    bottom = _axes(canvas, 212, ylabel="KL, nats", xlabel=_xlabel(lines))
    for axes, key in ((top, "learning_rate"), (bottom, "kl")):
        x, y = _series(lines, key)
        axes.plot(x, y, color="#1f5f99", linewidth=1.4)
        if any(value > 0.0 for value in y):
            axes.set_yscale("log")
    return canvas


def _tracking(blocks: dict[float, dict[Column, dict[str, Any]]]) -> Canvas:
    canvas = Canvas(figsize=(6.4, 3.8), layout="constrained")
    axes = _axes(canvas, xlabel="commanded speed, m/s", ylabel="mean speed, m/s", title="gate: speed held")
    commands = sorted({command for block in blocks.values() for command in block if isinstance(command, float)})
    axes.plot(commands, commands, color=_INK, linewidth=1.0, linestyle=":", label="as commanded")
    axes.fill_between(commands, [c - 0.025 for c in commands], [c + 0.025 for c in commands], color="#e8eef4")
    for (timestep, block), marker in zip(sorted(blocks.items(), reverse=True), "osD^v"):
        speeds = [number(block[c]["values"].get("speed")) if c in block else math.nan for c in commands]
        axes.plot(commands, speeds, marker=marker, markersize=6, linewidth=1.4, label=f"{timestep * 1e3:g} ms physics")
    axes.legend(frameon=False, fontsize=9)
    return canvas


def _gate(verdict: dict[str, Any], blocks: dict[float, dict[Column, dict[str, Any]]]) -> Canvas:
    """The gate's table as a picture: what passed in green, what failed in red."""
    lines = gate_lines(verdict)
    commands = in_order(command for block in blocks.values() for command in block)
    rows: list[list[str]] = []
    colours: list[list[str]] = []
    for timestep, block in blocks.items():
        rows.append(
            [
                f"physics at {timestep * 1e3:g} ms",
                "limit",
                *(f"{c:g} m/s" if isinstance(c, float) else escaped(c) for c in commands),
            ]
        )
        colours.append(["#e8eef4"] * len(rows[-1]))
        for name in dict.fromkeys(str(name) for entry in block.values() for name in entry["values"]):
            shown = shown_as(verdict, name)
            cells, fill, limit = [], [], ""
            for command in commands:
                line = lines.get((name, command, timestep))
                limit = str(line.get("limit", "")) if line else limit
                cells.append(shown.text(number(block.get(command, {"values": {}})["values"].get(name))))
                fill.append("white" if line is None else "#d5f0dd" if line.get("passed") is True else "#f6c6c0")
            rows.append([escaped(shown.heading), escaped(limit), *cells])
            colours.append(["white", "white", *fill])
    canvas = Canvas(figsize=(3.8 + 0.75 * len(commands), 0.4 + 0.22 * len(rows)))
    axes = canvas.add_axes((0.01, 0.01, 0.98, 0.94))
    axes.set_axis_off()
    passed = verdict.get("passed") is True
    headline = f"gate{', provisional:' if verdict.get('provisional') else ''} {'passed' if passed else 'failed'}"
    canvas.text(0.01, 0.97, headline, color=_GREEN if passed else _RED, weight="bold")
    widths = [0.34, 0.16, *([0.5 / len(commands)] * len(commands))]
    table = axes.table(rows, cellColours=colours, colWidths=widths, cellLoc="right", bbox=Bbox.unit())
    table.auto_set_font_size(False)
    table.set_fontsize(8)
    for (_, column), cell in table.get_celld().items():
        cell.set_edgecolor(_GRID)
        if column < 2:
            cell.set_text_props(ha="left")
            cell.PAD = 0.03
    return canvas


def escaped(text: str) -> str:
    """Text that Matplotlib shows as it is: dollar signs would start a formula."""
    return text.replace("$", r"\$")
