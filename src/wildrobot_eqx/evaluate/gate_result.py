"""What a gate finds: lines, figures and a verdict, as a table and as JSON."""

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from ..arrays import finite_or_none
from .walking.shown import Figure as Figure
from .walking.shown import describe

Item = TypeVar("Item")

_ABREAST, _COLUMNS = 7, 80  # commands in a table, at most; of a terminal


@dataclasses.dataclass(frozen=True)
class Limit:
    """Bounds of one figure, in stored units; a NaN is never within them."""

    figure: str
    low: float | None = None
    high: float | None = None
    cases: tuple[str, ...] | None = None  # names of those that are held to it; None: all that are required
    shown: Figure | None = None  # label, unit and scale; None: those that walking knows, or the figure's name

    def applies(self, case: str) -> bool:
        """Whether the case of that name is held to it."""
        return self.cases is None or case in self.cases

    def accepts(self, value: float) -> bool:
        """Whether a figure is within the bounds."""
        above = self.low is None or value >= self.low
        below = self.high is None or value <= self.high
        return bool(np.isfinite(value)) and above and below

    def margin(self, value: float) -> float:
        """How far a figure is within its bounds, as a fraction of the nearer one; negative outside, -inf of a NaN.

        Of a bound of 0 it is the distance itself.
        """
        if not np.isfinite(value):
            return float("-inf")
        low = np.inf if self.low is None else (value - self.low) / (abs(self.low) or 1.0)
        high = np.inf if self.high is None else (self.high - value) / (abs(self.high) or 1.0)
        return float(min(low, high))

    def loosened(self, fraction: float) -> "Limit":
        """The same, each bound moved outward by that fraction of itself."""
        low = None if self.low is None else self.low - fraction * abs(self.low)
        high = None if self.high is None else self.high + fraction * abs(self.high)
        return dataclasses.replace(self, low=low, high=high)

    @property
    def text(self) -> str:
        """The bounds in the units that the figure is shown in."""
        shown = self.shown or describe(self.figure)
        unit = f" {shown.unit}" if shown.unit else ""
        low, high = (None if b is None else f"{shown.scale * b:g}" for b in (self.low, self.high))
        if low is not None and high is not None:
            return f"{low} to {high}{unit}"
        return f">= {low}{unit}" if low is not None else f"<= {high}{unit}"


AXES = {"": "m/s", "left": "m/s", "turn": "rad/s"}
"""What a command may ask for, by the name that lines and figures bear, and its unit; "" is a speed ahead."""


@dataclasses.dataclass(frozen=True)
class GateLine:
    """One figure of one command at one physics timestep, held to its limit."""

    name: str
    command: float  # m/s, or of the kick
    timestep: float  # s
    value: float
    limit: str
    passed: bool
    when: str = "at"  # what `command` says of it
    axis: str = ""  # "left": `command` is a speed to the left; "turn": a turn to the left, rad/s
    case: str = ""  # the name of a case that is no number
    shown: Figure | None = None  # as of the limit

    def __str__(self) -> str:
        return f"{self.figure_at_case} ({self.timestep * 1e3:g} ms physics): {self.text}, must be {self.limit}"

    @property
    def figure_at_case(self) -> str:
        """The figure and its case, such as "survival at 0.2 m/s"."""
        case = self.case or f"{self.axis} {self.command:g} {AXES[self.axis]}".lstrip()
        return " ".join(filter(None, (self.label, self.when, case)))

    @property
    def label(self) -> str:
        """The figure's label."""
        return (self.shown or describe(self.name)).label

    @property
    def text(self) -> str:
        """The value in the shown unit, with it."""
        shown = self.shown or describe(self.name)
        return f"{shown.text(self.value)} {shown.unit}".rstrip()

    @property
    def column(self) -> str:
        """What heads its column of a table."""
        return self.case or f"{self.command:g}"

    def to_json(self) -> dict[str, Any]:
        """The line as plain JSON values; how it is shown stands beside all lines."""
        plain = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        del plain["shown"]
        return {**plain, "value": finite_or_none(self.value)}


@dataclasses.dataclass(frozen=True)
class CommandFigures:
    """All figures of one command at one physics timestep."""

    command: float  # m/s, or of the kick
    timestep: float  # s
    required: bool
    values: dict[str, float]
    axis: str = ""  # as of the lines
    case: str = ""  # as of the lines
    joints: dict[str, dict[str, float]] = dataclasses.field(default_factory=dict)  # `figures.joint_torques`

    @property
    def column(self) -> str:
        """What heads its column of a table."""
        return self.case or f"{self.command:g}"

    @property
    def worst_joint(self) -> str | None:
        """The joint whose RMS torque is the greatest fraction of its limit; None where none was measured."""
        known = {name: joint["torque_rms_ratio"] for name, joint in self.joints.items()}
        known = {name: ratio for name, ratio in known.items() if np.isfinite(ratio)}
        return max(known, key=known.__getitem__) if known else None

    def to_json(self) -> dict[str, Any]:
        """The figures as plain JSON values; those that could not be measured are null."""
        joints = {name: {key: finite_or_none(v) for key, v in joint.items()} for name, joint in self.joints.items()}
        values = {name: finite_or_none(value) for name, value in self.values.items()}
        return {**dataclasses.asdict(self), "values": values, "joints": joints, "worst_joint": self.worst_joint}


@dataclasses.dataclass(frozen=True)
class GateResult:
    """A gate's verdict, line by line, and the figures behind it."""

    lines: tuple[GateLine, ...]
    figures: tuple[CommandFigures, ...] = ()
    episodes: int = 0  # per command and timestep
    seconds: float = 0.0  # each
    provisional: str = ""  # what the gate's own number was cut to, such as "64 of 256 episodes"
    columns: str = "command"  # what the figures' `command` is: of what speed, m/s; "case": they have names
    shown: Mapping[str, Figure] = dataclasses.field(default_factory=dict)  # by figure; of others what walking knows

    @property
    def passed(self) -> bool:
        """Every line passed, and there was one."""
        return bool(self.lines) and all(line.passed for line in self.lines)

    def failed_lines(self) -> list[str]:
        """The lines that failed, each in full."""
        return [str(line) for line in self.lines if not line.passed]

    def describe(self, name: str) -> Figure:
        """How the figure `name` is shown."""
        return self.shown.get(name) or describe(name)

    def to_json(self) -> dict[str, Any]:
        """The result as plain JSON values; figures that could not be measured are null."""
        return {
            "passed": self.passed,
            "provisional": self.provisional or None,
            "episodes": self.episodes,
            "episode_seconds": self.seconds,
            "columns": self.columns,
            "shown": {name: dataclasses.asdict(figure) for name, figure in self.shown.items()},
            "failed": self.failed_lines(),
            "lines": [line.to_json() for line in self.lines],
            "figures": [figures.to_json() for figures in self.figures],
        }

    def tables(self) -> list[Table]:
        """Tables of the speeds ahead, then of each other axis that was judged; of many commands several."""
        return [table for axis in dict.fromkeys(("", *(f.axis for f in self.figures))) for table in self._of(axis)]

    def _of(self, axis: str) -> list[Table]:
        columns = list(dict.fromkeys(f.column for f in self.figures if f.axis == axis))
        return fitting(columns, _ABREAST, lambda i, part: self.table(axis, part, headed=i == 0 and not axis))

    def table(self, axis: str = "", columns: Sequence[str] | None = None, headed: bool = True) -> Table:
        """A table of one axis: figures down, cases across, one block per timestep; what failed in red.

        `columns` are those to show, all if None; `headed`: with the verdict above it.
        """
        figures = [f for f in self.figures if f.axis == axis and (columns is None or f.column in columns)]
        columns = list(dict.fromkeys(f.column for f in figures))
        required = {f.column: f.required for f in figures}
        # Narrow enough for a terminal of 80 columns.
        ending = "passed" if self.passed else "FAILED"
        title = f"Gate, provisional ({self.provisional}): {ending}" if self.provisional else f"Gate: {ending}"
        table = Table(
            title=title if headed else None, title_justify="left", box=SIMPLE_HEAD, padding=(0, 0), show_edge=False
        )
        table.add_column("figure", no_wrap=True)
        table.add_column("limit", no_wrap=True)
        for column in columns:
            table.add_column(Text(column + ("" if required[column] else "*")), justify="right", no_wrap=True)
        verdict = {(line.name, line.column, line.timestep): line for line in self.lines if line.axis == axis}
        for timestep in dict.fromkeys(f.timestep for f in figures):
            block = {f.column: f.values for f in figures if f.timestep == timestep}
            table.add_section()
            table.add_row(
                Text(f"physics at {timestep * 1e3:g} ms", style="bold"),
                Text(f"{asked(self.columns, axis)}:", style="dim"),
            )
            for name in dict.fromkeys(name for values in block.values() for name in values):
                shown = self.describe(name)
                judged = [line for (n, _, dt), line in verdict.items() if n == name and dt == timestep]
                cells = []
                for column in columns:
                    line = verdict.get((name, column, timestep))
                    style = "" if line is None else "green" if line.passed else "bold red"
                    cells.append(Text(shown.text(block.get(column, {}).get(name)), style=style))
                bounds = judged[0].limit.removesuffix(f" {shown.unit}") if judged else ""
                table.add_row(Text(shown.heading), bounds, *cells)
        notes = [] if all(required.values()) else ["* reported, not required"]
        table.caption = "\n".join([*notes, *self._strained(figures)]) or None
        return table

    def _strained(self, figures: Sequence[CommandFigures]) -> list[str]:
        """A line that names the joint with the greatest fraction of its limit, and where that was."""
        known = [(f, name, f.joints[name]) for f in figures if (name := f.worst_joint) is not None]
        if not known:
            return []
        f, name, joint = max(known, key=lambda entry: entry[2]["torque_rms_ratio"])
        where = f.case or f"{f.axis or self.columns} {f.command:g} {AXES[f.axis]}"
        ratio = f"{100.0 * joint['torque_rms_ratio']:.0f}% of its limit"
        return [
            f"most strained: {name} at {where} ({1e3 * f.timestep:g} ms)",
            f"  RMS {joint['torque_rms']:.2f} N m, {ratio}; peak {joint['torque_peak']:.2f} N m",
        ]


def fitting(items: Sequence[Item], most: int, make: Callable[[int, Sequence[Item]], Table]) -> list[Table]:
    """Tables of at most `most` items side by side, and of fewer where a terminal would cut their cells.

    `make` gives the i-th table, of some of the items.
    """
    for count in range(most, 0, -1):
        tables = [make(i, part) for i, part in enumerate(abreast(items, count))]
        if all(_width(table) <= _COLUMNS for table in tables):
            break
    return tables


def _width(table: Table) -> int:
    """Terminal columns that a table takes when no cell of it is cut."""
    console = Console(width=1000, markup=False, emoji=False, highlight=False)
    return Measurement.get(console, console.options, table).maximum


def asked(columns: str, axis: str = "") -> str:
    """What stands above the columns of a table: what the cases are, and their unit."""
    return columns if columns == "case" else f"{axis or columns}, {AXES.get(axis, 'm/s')}"


def abreast(items: Sequence[Item], most: int) -> list[Sequence[Item]]:
    """Items in order, in as few parts of at most `most` as will do, of about equal length; one part of none."""
    parts = -(-len(items) // most) or 1
    ends = [len(items) * i // parts for i in range(parts + 1)]
    return [items[start:end] for start, end in itertools.pairwise(ends)]
