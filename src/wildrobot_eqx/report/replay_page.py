"""A page about a replayed log: tables and plots, in one HTML file."""

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Canvas

from ..atomic import replace_bytes, writing
from ..identify.replay import Replay
from .html import page, text

_COLUMNS = 3


def write_replay_page(replay: Replay, name: str, path: Path) -> Path:
    """Write the page; what was at `path` is replaced.

    Raises:
        WildRobotError: it cannot be written.
    """
    title = f"{name} replayed: {replay.figures['robot']}"
    with writing(path, hint="name another file by --out"):
        replace_bytes(path, page(title, _page(replay)).encode())
    return path


def _number(value: Any, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}" if isinstance(value, float) else text(value)


def _page(replay: Replay) -> Iterator[str]:
    found = replay.figures
    yield f"<p>{_number(found['seconds'], 1)} s under the log's targets, and {found['windows']} windows of "
    yield f"{_number(found['window_s'], 2)} s, begun at {text(found['started from'])}. Robot less simulation."
    if (parts := found["parts"]) is not None:
        yield f" First 3 degrees apart at {_number(parts['time'], 2)} s: {text(', '.join(parts['what']))}."
    yield "</p>"
    if found["causes"] is not None:
        yield "<h2>What each cause explains alone of the squared error</h2>"
        rows = [(one["cause"], f"{100 * one['share']:.1f}%") for one in found["causes"]]
        yield _table(("cause", "share"), rows)
    yield "<h2>Joints</h2>"
    columns = ("joint", "windows, RMS deg", "mean", "whole, RMS deg", "mean", "delay, ms", "gain", "offset, deg")
    yield _table(
        columns,
        [
            (
                joint,
                *(_number(one[part][key]) for part in ("windows", "whole") for key in ("rms_deg", "mean_deg")),
                *(_number(one[key]) for key in ("delay_ms", "gain", "offset_deg")),
            )
            for joint, one in found["joints"].items()
        ],
    )
    yield _image(_joints(replay), "joints, log and simulation")
    if replay.tilt is not None:
        yield "<h2>Base</h2>"
        rows = [
            (axis, *(f"{_number(one['slope'], 4)} ± {_number(one['slope_error'], 4)}" for one in both.values()))
            for axis, both in found["drift"].items()
        ]
        yield _table(("slope, deg/s", "log", "simulation", "difference"), rows)
        yield _image(_tilts(replay), "pitch and roll, log and simulation")
    if found["feet"] is not None:
        yield "<h2>Share of the time in which a foot bears the robot</h2>"
        rows = [(foot, *(_number(share) for share in one.values())) for foot, one in found["feet"].items()]
        yield _table(("foot", "log", "simulation"), rows)


def _table(columns: tuple[str, ...], rows: list[Any]) -> str:
    head = "".join(f"<th>{text(column)}</th>" for column in columns)
    body = "".join(
        f'<tr><th scope="row">{text(row[0])}</th>' + "".join(f"<td>{text(cell)}</td>" for cell in row[1:]) + "</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'


def _image(canvas: Canvas, alt: str) -> str:
    data = io.BytesIO()
    canvas.savefig(data, format="png", dpi=100, facecolor="white")
    return f'<img alt="{text(alt)}" src="data:image/png;base64,{base64.b64encode(data.getvalue()).decode("ascii")}">'


def _joints(replay: Replay) -> Canvas:
    names = replay.subject.joints
    rows = -(-len(names) // _COLUMNS)
    canvas = Canvas(figsize=(12.0, 2.0 * rows), layout="constrained")
    for j, name in enumerate(names):
        axes = canvas.add_subplot(rows, _COLUMNS, j + 1)
        axes.plot(replay.time, np.degrees(replay.simulated[:, j]), color="#c0392b", linewidth=0.8, label="simulation")
        axes.plot(replay.time, np.degrees(replay.read[:, j]), color="#1b2a3a", linewidth=0.8, label="log")
        axes.set_title(f"{name}, deg", fontsize=9)
        axes.tick_params(labelsize=8)
        if j == 0:
            axes.legend(fontsize=8, frameon=False)
    return canvas


def _tilts(replay: Replay) -> Canvas:
    canvas = Canvas(figsize=(12.0, 2.6), layout="constrained")
    tilt = replay.tilt
    for axis, name in enumerate(("pitch", "roll")):
        axes = canvas.add_subplot(1, 2, axis + 1)
        if tilt is not None:
            axes.plot(replay.time, np.degrees(tilt[:, 1, axis]), color="#c0392b", linewidth=0.8, label="simulation")
            axes.plot(replay.time, np.degrees(tilt[:, 0, axis]), color="#1b2a3a", linewidth=0.8, label="log")
        axes.set_title(f"{name}, deg", fontsize=9)
        axes.set_xlabel("s", fontsize=8)
        axes.legend(fontsize=8, frameon=False)
    return canvas
