"""A run read from its files alone, which are data: the manifest, the figures of training, the verdicts, the film."""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE, SIMPLE_HEAD
from rich.table import Table

from ..arrays import finite_or_none
from ..errors import WildRobotError
from ..runs.files import read_object
from ..runs.folder import RunFolder
from .plots import gate_column, number, read_lines, shown_as
from .tables import plain_table

FILMS = ("film.mp4", "walk.mp4")
_HELD = ("report.html", "eval.json", "robust.json", "engines.json", "bundle.zip", *FILMS)
_LAST = 20  # a final figure is the mean over the last twentieth of a training, as the smoothed curves of a report

LineKey = tuple[str, str, float | str, float]
"""A line of a gate: figure, axis, column (a command, or the name of a case) and physics timestep (s)."""


@dataclasses.dataclass(frozen=True)
class RunSummary:
    """What the files of one run say."""

    path: Path
    manifest: dict[str, Any]
    figures: list[dict[str, Any]]  # of each iteration
    verdict: dict[str, Any]  # eval.json; empty where there is none
    robust: dict[str, Any]  # robust.json; empty where there is none

    @staticmethod
    def read(path: Path) -> "RunSummary":
        """Read a run folder; its recipe is not executed, and any version of its checkpoints will do.

        Raises:
            WildRobotError: there is no run, or its manifest cannot be read.
        """
        folder = RunFolder.open(path)
        manifest = folder.manifest(any_state=True)
        verdict, robust = read_object(folder.verdict), read_object(folder.path / "robust.json")
        return RunSummary(folder.path, manifest, read_lines(folder.metrics), verdict, robust)

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.resolve().name

    @property
    def film(self) -> Path | None:
        """The film, where there is one."""
        return next((self.path / name for name in FILMS if (self.path / name).is_file()), None)

    @property
    def lines(self) -> dict[LineKey, dict[str, Any]]:
        """The lines of the gate's verdict."""
        found = self.verdict.get("lines")
        return {
            (str(line.get("name")), str(line.get("axis", "")), gate_column(line), number(line.get("timestep"))): line
            for line in (found if isinstance(found, list) else [])
            if isinstance(line, dict)
        }

    @property
    def gate(self) -> str:
        """The verdict in words: how many lines passed, and whether it is provisional."""
        if not self.verdict:
            return "not judged"
        lines = self.lines.values()
        held = sum(line.get("passed") is True for line in lines)
        word = "passed" if self.verdict.get("passed") is True else "failed"
        return f"{word}, {held} of {len(lines)} lines" + (", provisional" if self.verdict.get("provisional") else "")

    def final(self, figure: str) -> float:
        """The mean of a figure over the last twentieth of the training; NaN where it has none."""
        last = self.figures[-max(1, len(self.figures) // _LAST) :]
        values = [value for line in last if math.isfinite(value := number(line.get(figure)))]
        return sum(values) / len(values) if values else math.nan

    def to_json(self) -> dict[str, Any]:
        """What is known of the run as plain JSON values."""
        manifest, robot = self.manifest, self.manifest.get("robot")
        provisional, failed = self.verdict.get("provisional"), self.verdict.get("failed")
        lines = self.lines.values()
        gate = {
            "passed": self.verdict.get("passed") is True,
            "provisional": provisional if isinstance(provisional, str) and provisional else None,
            "lines": len(lines),
            "lines_passed": sum(line.get("passed") is True for line in lines),
            "failed": [str(line) for line in failed] if isinstance(failed, list) else [],
        }
        return {
            "run": str(self.path),
            "name": self.name,
            "recipe": _text(manifest.get("name")),
            "robot": _text(robot.get("name")) if isinstance(robot, dict) else None,
            "trainer": _text(manifest.get("trainer")),
            "physics": _text(manifest.get("physics")),
            "status": _text(manifest.get("status")),
            "error": _text(manifest.get("error")),
            "seed": manifest.get("seed"),
            "steps": finite_or_none(number(manifest.get("steps"))),
            "steps_done": self._steps_done(),
            "iterations": len(self.figures),
            "training_s": finite_or_none(number(manifest.get("training_s"))),
            "started": _text(manifest.get("started")),
            "finished": _text(manifest.get("finished")),
            "episode_return": finite_or_none(self.final("episode_return")),
            "terminations_per_minute": finite_or_none(self.final("terminations_per_minute")),
            "gate": gate if self.verdict else None,
            "robust": {"passed": self.robust.get("passed") is True} if self.robust else None,
            "files": [name for name in _HELD if (self.path / name).is_file()],
        }

    def _steps_done(self) -> int | None:
        done = number(self.manifest.get("steps_done"))
        if math.isnan(done) and self.figures:  # it is training, or was killed
            done = number(self.figures[-1].get("steps"))
        return int(done) if math.isfinite(done) else None


def read_runs(folder: Path) -> tuple[list[RunSummary], list[WildRobotError]]:
    """The runs that lie in a folder, the oldest first, and why others there cannot be read.

    Raises:
        WildRobotError: there is no such folder.
    """
    if not folder.is_dir():
        raise WildRobotError(
            f"There is no folder {str(folder)!r}.", where="runs list", hint="name the folder that holds your runs"
        )
    found, errors = [], []
    for path in sorted(folder.glob("*/manifest.json")):
        try:
            found.append(RunSummary.read(path.parent))
        except WildRobotError as error:
            errors.append(error)
    return sorted(found, key=lambda run: str(run.manifest.get("started", ""))), errors


_NAME = 14  # letters of a run's name that a narrow terminal shows in one line


def runs_table(runs: Sequence[RunSummary], names: Sequence[str] | None = None) -> Table:
    """A row for each run; figures of training are means over its last twentieth."""
    table = plain_table("", "run", "recipe", "robot", ">seed", ">M steps", "status", ">return", ">min", "gate")
    table.title, table.box = None, SIMPLE_HEAD
    table.caption = "gate: lines passed; *: provisional" if any(run.verdict.get("provisional") for run in runs) else ""
    for name, run in zip(names or [run.name for run in runs], runs):
        facts = run.to_json()
        steps, seconds, gate = facts["steps_done"], facts["training_s"], facts["gate"]
        word = "" if gate is None else "passed" if gate["passed"] else "failed"
        mark = "*" if gate is not None and gate["provisional"] else ""
        table.add_row(
            name,
            facts["recipe"] or "",
            facts["robot"] or "",
            str("" if facts["seed"] is None else facts["seed"]),
            "" if steps is None else f"{steps / 1e6:.2f}",
            facts["status"] or "",
            figure(facts["episode_return"]),
            "" if seconds is None else f"{seconds / 60.0:.1f}",
            "" if gate is None else f"{word} {gate['lines_passed']}/{gate['lines']}{mark}",
        )
    for column in table.columns:
        column.overflow = "fold"
    table.padding, shown = (0, 1, 0, 0), names or [run.name for run in runs]
    table.columns[0].min_width = min(_NAME, max(map(len, shown), default=0))  # it is what is typed next
    return table


def run_tables(run: RunSummary) -> list[Table | str]:
    """One run: its facts, its last figures, and the lines of its gate that fail."""
    facts = run.to_json()
    table = plain_table(run.name, "", "")
    table.show_header, table.box = False, SIMPLE
    shown = ("recipe", "robot", "trainer", "physics", "seed", "status", "error", "started", "finished")
    for key in shown:
        if facts[key] is not None:
            table.add_row(key, str(facts[key]))
    wanted = "" if facts["steps"] is None else f" of {facts['steps']:,.0f}"
    table.add_row("control steps", f"{facts['steps_done'] or 0:,}{wanted}, in {facts['iterations']} iterations")
    if facts["training_s"] is not None:
        table.add_row("training", f"{facts['training_s']:.0f} s")
    options = run.manifest.get("options", {})
    table.add_row("options", ", ".join(f"{key}={value}" for key, value in options.items() if value is not None))
    if overrides := run.manifest.get("overrides"):
        table.add_row("--set", ", ".join(overrides))
    for key in ("episode_return", "terminations_per_minute"):
        table.add_row(key.replace("_", " "), f"{figure(facts[key])} (mean of the last twentieth)")
    table.add_row("gate", run.gate)
    if facts["robust"] is not None:
        table.add_row("robust", "passed" if facts["robust"]["passed"] else "failed")
    table.add_row("files", ", ".join(facts["files"]) or "none beside the training's own")
    failed = facts["gate"]["failed"] if facts["gate"] else []
    return [table, *(f"  fails: {line}" for line in failed)]


def line_text(run: RunSummary, line: dict[str, Any]) -> str:
    """The value of a gate's line in the unit that it is shown in, with it."""
    shown = shown_as(run.verdict, str(line.get("name")))
    return f"{shown.text(number(line.get('value')))} {shown.unit}".rstrip()


def figure(value: float | None) -> str:
    """A number in four digits; a dash where there is none."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.4g}"


def names_of(paths: Iterable[Path]) -> list[str]:
    """What to call runs by: the folder's name, with as many of those above it as tell them apart."""
    parts = [path.resolve().parts for path in paths]
    for depth in range(1, max(map(len, parts), default=1) + 1):
        names = ["/".join(own[-depth:]) for own in parts]
        if len(set(names)) == len(names):
            return names
    return [str(Path(*own)) for own in parts]


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
