"""Plots of a robust evaluation, drawn from robust.json alone."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.projections.polar import PolarAxes

from .plots import number, shown_as

_INK, _GRID, _BLUE, _RED, _BAND = "#1b2a3a", "#d8dee4", "#1f5f99", "#c0392b", "#e4f2e8"
_CASES = (_BLUE, "#d2691e", "#2e8b57", "#7b4ea3", "#8795a1")


def write_robust_plots(folder: Path, document: dict[str, Any]) -> list[Path]:
    """Draw what a robust.json holds into `folder`: robust_sweep.png, robust_terrain.png, robust_pushes.png.

    Returns:
        The files drawn.
    """
    drawn: list[Path] = []
    folder.mkdir(exist_ok=True)
    by_gate = document.get("kind") == "gate"
    for part, draw in (("sweep", _by_gate if by_gate else _sweep), ("terrain", _sweep), ("pushes", _pushes)):
        name, found = f"robust_{part}", document.get(part)
        if isinstance(found, dict):
            drawn.append(folder / f"{name}.png")
            draw(found | {"shown": document.get("shown")}).savefig(drawn[-1], dpi=110, facecolor="white")
    return drawn


def _by_gate(sweep: dict[str, Any]) -> Canvas:
    """The figure of the gate's first limit, each case a line, the levels at which all limits hold shaded."""
    parameters, shown = sweep["parameters"], shown_as(sweep, sweep["figure"])
    columns = min(4, len(parameters))
    rows = -(-len(parameters) // columns)
    canvas = Canvas(figsize=(3.25 * columns + 0.3, 0.9 + 2.9 * rows), layout="constrained")
    canvas.suptitle(f"One at a time: {sweep['summary']}", fontsize=10, color=_INK, wrap=True)
    first: Axes | None = None
    for i, parameter in enumerate(parameters):
        axes = canvas.add_subplot(rows, columns, i + 1, sharey=first)
        first = axes if first is None else first
        levels = parameter["levels"]
        if parameter["holds"]:
            axes.axvspan(*parameter["holds"], color=_BAND, zorder=0)
        axes.axvline(parameter["nominal"], color=_INK, linewidth=0.8, linestyle=":")
        for bound in sweep["bounds"]:
            if bound is not None:
                axes.axhline(shown.scale * bound, color=_RED, linewidth=0.8, linestyle="--")
        for case, colour in zip(levels[0]["figures"], itertools.cycle(_CASES)):
            values = [shown.scale * number(entry["figures"][case].get(sweep["figure"])) for entry in levels]
            x = [entry["level"] for entry in levels]
            axes.plot(x, values, color=colour, marker="o", markersize=4, label=case)
        axes.set_xlabel(f"{parameter['label']}, {parameter['unit']}", fontsize=9)
        axes.set_title(parameter["name"], fontsize=10, weight="bold" if parameter["name"] == sweep["worst"] else None)
        if i % columns == 0:
            axes.set_ylabel(shown.heading)
        axes.tick_params(labelsize=8)
        axes.grid(color=_GRID, linewidth=0.6)
    handles, labels = canvas.axes[0].get_legend_handles_labels()
    if len(labels) > 1:
        canvas.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 6), frameon=False)
    return canvas


def _sweep(sweep: dict[str, Any]) -> Canvas:
    """Survival and speed error of each parameter, the levels that hold shaded."""
    parameters, most = sweep["parameters"], sweep["speed_error"]
    columns = min(4, len(parameters))
    rows = -(-len(parameters) // columns)
    canvas = Canvas(figsize=(3.25 * columns, 0.5 + 3.0 * rows), layout="constrained")
    canvas.suptitle(f"One at a time: {sweep['summary']}", fontsize=10, color=_INK, wrap=True)
    for i, parameter in enumerate(parameters):
        left = canvas.add_subplot(rows, columns, i + 1)
        right = left.twinx()
        x = [entry["level"] for entry in parameter["levels"]]
        survival = [100.0 * entry["survival"] for entry in parameter["levels"]]
        error = [np.nan if entry["speed_error"] is None else entry["speed_error"] for entry in parameter["levels"]]
        if parameter["holds"]:
            left.axvspan(*parameter["holds"], color=_BAND, zorder=0)
        left.axvline(parameter["nominal"], color=_INK, linewidth=0.8, linestyle=":")
        left.plot(x, survival, color=_BLUE, marker="o", markersize=4)
        right.plot(x, error, color=_RED, marker="s", markersize=3, linewidth=1.2)
        right.axhline(most, color=_RED, linewidth=0.6, linestyle="--")
        left.set_ylim(-3.0, 104.0)
        right.set_ylim(0.0, max(2.0 * most, float(np.nanmax([*error, 0.0])) * 1.1))
        left.set_xlabel(f"{parameter['label']}, {parameter['unit']}", fontsize=9)
        left.set_title(parameter["name"], fontsize=10, weight="bold" if parameter["name"] == sweep["worst"] else None)
        if i % columns == 0:
            left.set_ylabel("survival, %", color=_BLUE)
        if i % columns == columns - 1:
            right.set_ylabel("speed error, m/s", color=_RED)
        left.tick_params(axis="y", colors=_BLUE, labelsize=8)
        right.tick_params(axis="y", colors=_RED, labelsize=8)
        left.grid(color=_GRID, linewidth=0.6)
    return canvas


def _pushes(pushes: dict[str, Any]) -> Canvas:
    """By direction, the largest impulse that 50% and 95% survive, one circle per duration; ahead is up."""
    kinds = pushes["pushes"]
    canvas = Canvas(figsize=(4.4 * len(kinds), 4.9), layout="constrained")
    names = list(kinds[0]["directions"])
    angles = np.linspace(0.0, 2.0 * np.pi, len(names) + 1)
    outer = max(entry["50%"]["velocity"] for kind in kinds for entry in kind["directions"].values())
    for i, kind in enumerate(kinds):
        axes = canvas.add_subplot(1, len(kinds), i + 1, projection="polar")
        assert isinstance(axes, PolarAxes)
        axes.set_theta_zero_location("N")
        for level, colour in (("50%", "#9db8d2"), ("95%", _BLUE)):
            reach = [kind["directions"][name][level]["velocity"] for name in names]
            axes.plot(angles, [*reach, reach[0]], color=colour, marker="o", markersize=4, label=f"{level} survive")
            axes.fill(angles, [*reach, reach[0]], color=colour, alpha=0.2)
        axes.set_xticks(angles[:-1], [name.replace("_", "\n") for name in names], fontsize=8)
        axes.set_ylim(0.0, max(1.1 * outer, 0.2))
        axes.tick_params(axis="y", labelsize=7)
        axes.set_title(f"push of {kind['duration']:g} s" if kind["duration"] else "velocity kick", fontsize=10)
        axes.grid(color=_GRID)
    canvas.legend(*canvas.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    canvas.suptitle(
        f"Largest push survived, where it drives the robot (ahead is up): m/s; times {pushes['mass']:.2f} kg: N s",
        fontsize=10,
        color=_INK,
    )
    return canvas
