"""What came of a sweep: trials, configurations with the spread of their seeds, the best one; as table, CSV and JSON."""

import csv
import dataclasses
import io
import json
import math
import statistics
from collections.abc import Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from ..report.tables import plain_table
from ..runs.files import read_object, replace_text
from .budget import Goal
from .driver import first_line_of
from .folder import SweepFolder, Trial, last_figure
from .plan import command_line

_STYLES = {"finished": "green", "failed": "bold red", "stopped": "yellow"}
_SHOWN = 40  # rows in a terminal


@dataclasses.dataclass(frozen=True)
class Row:
    """One trial and what it reached."""

    trial: Trial
    steps: int
    value: float  # of the metric; NaN where it has none
    gate: str  # passed, failed, or nothing
    seconds: float  # of training; NaN where it has none
    run: str

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        number = {"metric": self.value, "training_s": self.seconds}
        plain = {name: None if math.isnan(value) else value for name, value in number.items()}
        trial = self.trial
        return {
            "trial": trial.number,
            "seed": trial.seed,
            "values": trial.values,
            "status": trial.status,
            "message": trial.message,
            "steps": self.steps,
            "gate": self.gate or None,
            "run": self.run,
            "command": command_line(list(trial.arguments)),
            **plain,
        }


@dataclasses.dataclass(frozen=True)
class Configuration:
    """Trials that differ by their seed only."""

    values: dict[str, str]
    rows: tuple[Row, ...]

    @property
    def compared(self) -> list[Row]:
        """Those that count: the finished ones that have the metric."""
        return [row for row in self.rows if row.trial.status == "finished" and not math.isnan(row.value)]

    @property
    def mean(self) -> float:
        """Of the metric over the seeds that finished; NaN where none did."""
        return statistics.fmean(row.value for row in self.compared) if self.compared else math.nan

    @property
    def spread(self) -> tuple[float, float]:
        """The least and the greatest of them."""
        values = [row.value for row in self.compared] or [math.nan]
        return min(values), max(values)


@dataclasses.dataclass(frozen=True)
class Results:
    """All trials of a sweep."""

    goal: Goal
    rows: tuple[Row, ...]

    @property
    def keys(self) -> list[str]:
        """What is varied, in order."""
        return list(dict.fromkeys(key for row in self.rows for key in row.trial.values))

    def configurations(self) -> list[Configuration]:
        """The best mean first; those of which no seed finished last."""
        groups: dict[Any, list[Row]] = {}
        for row in self.rows:
            groups.setdefault(row.trial.key, []).append(row)
        found = [Configuration(rows[0].trial.values, tuple(rows)) for rows in groups.values()]
        sign = -1.0 if self.goal.more_is_better else 1.0
        return sorted(found, key=lambda one: math.inf if math.isnan(one.mean) else sign * one.mean)

    def best(self) -> Row | None:
        """The best seed of the best configuration; None where no trial finished with a figure."""
        first = next(iter(self.configurations()), None)
        if first is None or not first.compared:
            return None
        pick = max if self.goal.more_is_better else min
        return pick(first.compared, key=lambda row: row.value)


def results_of(folder: SweepFolder, goal: Goal) -> Results:
    """What the trials' folders say."""
    return Results(goal, tuple(_row(folder, trial, goal) for trial in folder.trials()))


def _row(folder: SweepFolder, trial: Trial, goal: Goal) -> Row:
    run, lines = folder.run(trial.number), folder.figures(trial.number)
    found, steps = last_figure(lines, goal.metric), last_figure(lines, "steps")
    clock = last_figure(lines, "wall_clock_s")
    passed = read_object(run / "eval.json").get("passed")
    return Row(
        trial=trial,
        steps=0 if steps is None else steps[0],
        value=math.nan if found is None else found[1],
        gate={True: "passed", False: "failed"}.get(passed, "") if isinstance(passed, bool) else "",
        seconds=math.nan if clock is None else clock[1],
        run=str(run),
    )


def write_tables(folder: SweepFolder, results: Results) -> None:
    """Write table.json and table.csv.

    Raises:
        WildRobotError: they cannot be written.
    """
    replace_text(folder.path / "table.json", json.dumps(to_json(results), indent=2, allow_nan=False) + "\n")
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    columns = ["trial", "seed", *results.keys, "status", results.goal.metric, "steps", "gate", "training_s", "run"]
    writer.writerow([*columns, "message"])
    for row in results.rows:
        trial = row.trial
        values = [trial.values.get(key, "") for key in results.keys]
        seed = "" if trial.seed is None else trial.seed
        figures = [_blank(row.value), row.steps, row.gate, _blank(row.seconds), row.run]
        writer.writerow([trial.number, seed, *values, trial.status, *figures, first_line_of(trial.message)])
    replace_text(folder.path / "table.csv", out.getvalue())


def to_json(results: Results) -> dict[str, Any]:
    """The results as plain JSON values."""
    best = results.best()
    return {
        "metric": results.goal.metric,
        "mode": results.goal.mode,
        "best": None if best is None else best.to_json(),
        "configurations": [
            {
                "values": one.values,
                "mean": None if math.isnan(one.mean) else one.mean,
                "least": None if math.isnan(one.mean) else one.spread[0],
                "greatest": None if math.isnan(one.mean) else one.spread[1],
                "finished": len(one.compared),
                "trials": [row.trial.number for row in one.rows],
            }
            for one in results.configurations()
        ],
        "trials": [row.to_json() for row in results.rows],
    }


def tables(results: Results) -> list[Table]:
    """Configurations with their spread where there are several seeds, and the trials."""
    keys, metric = results.keys, results.goal.metric
    heads = short_names(keys).values()
    found = results.configurations()
    pages = []
    if any(len(one.rows) > 1 for one in found):
        table = plain_table(
            "Configurations, the best mean first", *heads, f">{metric}", ">least", ">greatest", ">seeds"
        )
        for one in found[:_SHOWN]:
            values = [one.values.get(key, "") for key in keys]
            table.add_row(*values, *map(_figure, (one.mean, *one.spread)), f"{len(one.compared)} of {len(one.rows)}")
        table.caption = _cut(len(found))
        pages.append(table)
    table = plain_table("Trials", ">trial", ">seed", *heads, "status", f">{metric}", ">steps", "gate")
    for row in _first(results):
        trial = row.trial
        values = [trial.values.get(key, "") for key in keys]
        seed = "" if trial.seed is None else str(trial.seed)
        status = Text(trial.status, style=_STYLES.get(trial.status, ""))
        table.add_row(str(trial.number), seed, *values, status, _figure(row.value), f"{row.steps:,}", row.gate)
    table.caption = _cut(len(results.rows))
    return [*pages, table]


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """Of dotted keys as few last parts as tell them apart, two at least."""
    names = {}
    for key in keys:
        parts = key.split(".")
        ends = [".".join(parts[-n:]) for n in range(2, len(parts) + 1)]
        others = [other for other in keys if other != key]
        names[key] = next((end for end in ends if not any(o.endswith(end) for o in others)), key)
    return names


def _first(results: Results) -> Sequence[Row]:
    """In the terminal's table: all in order, or of very many the best."""
    return results.rows if len(results.rows) <= _SHOWN else ranked(results)[:_SHOWN]


def ranked(results: Results) -> list[Row]:
    """Trials by their own figure, the best first; those without one last."""
    sign = -1.0 if results.goal.more_is_better else 1.0
    return sorted(results.rows, key=lambda row: math.inf if math.isnan(row.value) else sign * row.value)


def _cut(count: int) -> str:
    return f"the best {_SHOWN} of {count}; all are in table.csv" if count > _SHOWN else ""


def _figure(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.4g}"


def _blank(value: float) -> str:
    return "" if math.isnan(value) else repr(value)
