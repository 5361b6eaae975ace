"""Several runs beside each other: what differs in how they were made, and in what their gates found."""

import dataclasses
import difflib
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from ..arrays import finite_or_none
from ..errors import WildRobotError
from ..evaluate.gate_result import AXES
from .plots import heading, number, shown_as
from .run_summary import LineKey, RunSummary, line_text, names_of, runs_table
from .tables import plain_table

_OUTCOMES = (
    "status",
    "error",
    "started",
    "finished",
    "training_s",
    "steps_done",
    "first_update_s",
    "command",
    "stopped",
)
"""Entries of a manifest that say how a run went, and not what it was."""
_CELL = 28  # letters of a cell in a terminal
_MOST = 24  # rows of a table in a terminal


@dataclasses.dataclass(frozen=True)
class GateRow:
    """One line of a gate in each of the runs; None where a run's gate does not have it."""

    key: LineKey
    label: str
    lines: tuple[dict[str, Any] | None, ...]

    @property
    def held(self) -> bool:
        """Whether every run has it and passes it."""
        return all(line is not None and line.get("passed") is True for line in self.lines)

    @property
    def failing(self) -> bool:
        """Whether some run fails it; a run whose gate lacks it does not."""
        return any(line is not None and line.get("passed") is not True for line in self.lines)

    @property
    def limits(self) -> list[str]:
        """The limits that the runs hold it to: one, or several where they differ."""
        return list(dict.fromkeys(str(line.get("limit", "")) for line in self.lines if line is not None))


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Runs under the names that tell them apart."""

    names: tuple[str, ...]
    runs: tuple[RunSummary, ...]

    @staticmethod
    def read(paths: Sequence[Path]) -> "Comparison":
        """Read two run folders or more.

        Raises:
            WildRobotError: there are fewer, one stands there twice, or one holds no run.
        """
        if len(paths) < 2:
            raise WildRobotError(
                "compare takes two runs or more.", where="compare", hint="one by itself: wildrobot-eqx runs show RUN"
            )
        seen: dict[Path, Path] = {}
        for path in paths:
            if (place := path.resolve()) in seen:
                raise WildRobotError(f"The run {str(path)!r} stands there twice.", where="compare", hint="name it once")
            seen[place] = path
        runs = tuple(RunSummary.read(path) for path in paths)
        return Comparison(tuple(names_of(run.path for run in runs)), runs)

    def differences(self) -> dict[str, list[str | None]]:
        """The entries of the manifests in which the runs differ; of each the runs' values, None where it is absent."""
        flat = [dict(_flat(run.manifest)) for run in self.runs]
        found = {}
        for key in dict.fromkeys(key for one in flat for key in one):
            values = [one.get(key) for one in flat]
            if len(set(values)) > 1 and key.partition(".")[0] not in _OUTCOMES:
                found[key] = values
        return found

    def gate_rows(self) -> list[GateRow]:
        """Every line of the runs' gates."""
        each = [run.lines for run in self.runs]
        return [self._row(key, each) for key in dict.fromkeys(key for lines in each for key in lines)]

    def _row(self, key: LineKey, each: Sequence[dict[LineKey, dict[str, Any]]]) -> GateRow:
        name, axis, column, timestep = key
        lines = tuple(one.get(key) for one in each)
        holder, line = next((run, line) for run, line in zip(self.runs, lines) if line is not None)
        unit = f" {AXES.get(axis, '')}" if isinstance(column, float) else ""
        words = (shown_as(holder.verdict, name).label, str(line.get("when", "at")), axis, f"{heading(column)}{unit}")
        label = " ".join(word for word in words if word)
        return GateRow(key, f"{label}, {1e3 * timestep:g} ms" if math.isfinite(timestep) else label, lines)

    def notes(self) -> list[str]:
        """What must be known before the figures are read beside each other."""
        said = []
        terms = [{key for line in run.figures for key in line if key.startswith("reward/")} for run in self.runs]
        recipes = {key for key in self.differences() if key.startswith(("recipe.sha256", "overrides"))}
        if any(one != terms[0] for one in terms):
            said.append("The runs are rewarded by different terms: their returns are not of one measure.")
        elif recipes:
            said.append("The runs' recipes differ: weights may, too, and then returns are not of one measure.")
        episodes = {str(run.verdict.get("episodes")) for run in self.runs if run.verdict}
        if len(episodes) > 1:
            said.append(f"The gates took different numbers of episodes: {', '.join(sorted(episodes))}.")
        lacking = sum(None in row.lines for row in self.gate_rows())
        if lacking:
            said.append(f"{lacking} lines are not in the gate of every run, or not every run was judged.")
        if any(len(row.limits) > 1 for row in self.gate_rows()):
            said.append("Some lines are held to different limits.")
        return said

    def to_json(self) -> dict[str, Any]:
        """The comparison as plain JSON values; lists are in the order of the runs."""
        return {
            "runs": [{**run.to_json(), "name": name} for name, run in zip(self.names, self.runs)],
            "notes": self.notes(),
            "differs": self.differences(),
            "gate": [
                {
                    "figure": row.key[0],
                    "axis": row.key[1],
                    "at": row.key[2] if isinstance(row.key[2], str) else finite_or_none(row.key[2]),
                    "timestep": finite_or_none(row.key[3]),
                    "label": row.label,
                    "values": [
                        None if line is None else finite_or_none(number(line.get("value"))) for line in row.lines
                    ],
                    "limits": [None if line is None else str(line.get("limit")) for line in row.lines],
                    "passed": [None if line is None else line.get("passed") is True for line in row.lines],
                }
                for row in self.gate_rows()
            ],
        }

    def tables(self) -> list[Table | str]:
        """The same, as short as a terminal wants it."""
        shown: list[Table | str] = [runs_table(self.runs, self.names)]
        differs = self.differences()
        if differs:
            rows = {key: [_short(value) for value in values] for key, values in differs.items()}
            shown += self._table("What differs", "", rows)
        failing = [row for row in self.gate_rows() if row.failing]
        cells = {row.label: [self._cell(run, line) for run, line in zip(self.runs, row.lines)] for row in failing}
        if cells:
            shown += self._table("Lines that some run fails (!)", "must be", cells, [row.limits for row in failing])
        return [*shown, *self.notes()]

    def _table(
        self, title: str, extra: str, rows: dict[str, list[Any]], limits: Sequence[list[str]] | None = None
    ) -> list[Table | str]:
        table = plain_table(title, "", *self.names, *([extra] if limits is not None else []))
        table.box = SIMPLE_HEAD
        for i, (key, cells) in enumerate(list(rows.items())[:_MOST]):
            table.add_row(key, *cells, *([" / ".join(limits[i])] if limits is not None else []))
        left = len(rows) - _MOST
        return [table, *([f"... and {left} more; all are on the page and in --json"] if left > 0 else [])]

    def _cell(self, run: RunSummary, line: dict[str, Any] | None) -> Text:
        if line is None:
            return Text("–")
        passed = line.get("passed") is True
        return Text(line_text(run, line) + ("" if passed else " !"), style="" if passed else "bold red")


def recipe_diff(first: RunSummary, other: RunSummary, names: tuple[str, str]) -> list[str]:
    """How the second run's copy of its recipe differs from the first's, as a unified diff; the files are only read."""
    texts: list[list[str]] = []
    for run in (first, other):
        try:
            texts.append((run.path / "recipe.py").read_text(encoding="utf-8", errors="replace").splitlines())
        except OSError:
            return []
    before, after = texts
    return list(difflib.unified_diff(before, after, names[0], names[1], lineterm=""))


def _flat(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value if isinstance(value, str) else json.dumps(value)


def _short(value: str | None) -> str:
    if value is None:
        return "–"
    return value if len(value) <= _CELL else f"{value[:12]}...{value[-_CELL + 15 :]}"
