"""What a gate finds: lines, figures and a verdict, as a table and as JSON."""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from .walking.figures import describe
from .walking.meter import GaitMeter

Item = TypeVar("Item")

_ABREAST = 7  # commands in a terminal of 80 columns


@dataclasses.dataclass(frozen=True)
class Limit:
    """Bounds of one figure, in stored units; a NaN is never within them.

    `moving` limits hold from `least_speed` (m/s) on, `standing` ones at command 0 only.
    """

    figure: str
    low: float | None = None
    high: float | None = None
    moving: bool = False
    standing: bool = False
    least_speed: float = 0.0

    def applies(self, command: float) -> bool:
        """Whether a command (m/s) is held to it."""
        if self.standing:
            return command == 0.0
        return not self.moving or (command != 0.0 and abs(command) >= self.least_speed - 1e-9)

    def accepts(self, value: float) -> bool:
        """Whether a figure is within the bounds."""
        above = self.low is None or value >= self.low
        below = self.high is None or value <= self.high
        return bool(np.isfinite(value)) and above and below

    @property
    def text(self) -> str:
        """The bounds in the units that the figure is shown in."""
        shown = describe(self.figure)
        unit = f" {shown.unit}" if shown.unit else ""
        low, high = (None if b is None else f"{shown.scale * b:g}" for b in (self.low, self.high))
        if low is not None and high is not None:
            return f"{low} to {high}{unit}"
        return f">= {low}{unit}" if low is not None else f"<= {high}{unit}"


def continuous_torque(meter: GaitMeter) -> list[Limit]:
    """The limit of any joint's RMS torque, where the robot says what its servos bear for ever; else none."""
    return [] if meter.continuous_torque is None else [Limit("joint_torque_continuous", high=1.0)]


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

    def __str__(self) -> str:
        shown = describe(self.name)
        unit = f" {shown.unit}" if shown.unit else ""
        told = f"{self.axis} {self.command:g} {AXES[self.axis]}".lstrip()
        return (
            f"{shown.label} {self.when} {told} ({self.timestep * 1e3:g} ms physics): "
            f"{shown.text(self.value)}{unit}, must be {self.limit}"
        )


@dataclasses.dataclass(frozen=True)
class CommandFigures:
    """All figures of one command at one physics timestep."""

    command: float  # m/s, or of the kick
    timestep: float  # s
    required: bool
    values: dict[str, float]
    axis: str = ""  # as of the lines
    joints: dict[str, dict[str, float]] = dataclasses.field(default_factory=dict)  # `figures.joint_torques`

    @property
    def worst_joint(self) -> str | None:
        """The joint whose RMS torque is the greatest share of its limit; None where none was measured."""
        known = {name: joint["torque_rms_share"] for name, joint in self.joints.items()}
        known = {name: share for name, share in known.items() if np.isfinite(share)}
        return max(known, key=known.__getitem__) if known else None

    def to_json(self) -> dict[str, Any]:
        """The figures as plain JSON values; those that could not be measured are null."""
        joints = {name: {key: _plain(v) for key, v in joint.items()} for name, joint in self.joints.items()}
        values = {name: _plain(value) for name, value in self.values.items()}
        return {**dataclasses.asdict(self), "values": values, "joints": joints, "worst_joint": self.worst_joint}


@dataclasses.dataclass(frozen=True)
class GateResult:
    """A gate's verdict, line by line, and the figures behind it."""

    lines: tuple[GateLine, ...]
    figures: tuple[CommandFigures, ...] = ()
    episodes: int = 0  # per command and timestep
    seconds: float = 0.0  # each
    provisional: str = ""  # what the gate's own number was cut to, such as "64 of 256 episodes"
    columns: str = "command"  # what the figures' `command` is: of what speed, m/s

    @property
    def passed(self) -> bool:
        """Every line passed, and there was one."""
        return bool(self.lines) and all(line.passed for line in self.lines)

    def failed_lines(self) -> list[str]:
        """The lines that failed, told in full."""
        return [str(line) for line in self.lines if not line.passed]

    def to_json(self) -> dict[str, Any]:
        """The result as plain JSON values; figures that could not be measured are null."""
        return {
            "passed": self.passed,
            "provisional": self.provisional or None,
            "episodes": self.episodes,
            "episode_seconds": self.seconds,
            "columns": self.columns,
            "failed": self.failed_lines(),
            "lines": [{**dataclasses.asdict(line), "value": _plain(line.value)} for line in self.lines],
            "figures": [figures.to_json() for figures in self.figures],
        }

    def tables(self) -> list[Table]:
        """Tables of the speeds ahead, then of each other axis that was judged; of many commands several."""
        tables = []
        for axis in dict.fromkeys(("", *(f.axis for f in self.figures))):
            commands = list(dict.fromkeys(f.command for f in self.figures if f.axis == axis))
            parts = abreast(commands, _ABREAST)
            tables += [self.table(axis, part, headed=i == 0 and not axis) for i, part in enumerate(parts)]
        return tables

    def table(self, axis: str = "", commands: Sequence[float] | None = None, headed: bool = True) -> Table:
        """A table of one axis: figures down, commands across, one block per timestep; what failed in red.

        `commands` are those to show, all if None; `headed`: with the verdict above it.
        """
        figures = [f for f in self.figures if f.axis == axis and (commands is None or f.command in commands)]
        commands = list(dict.fromkeys(f.command for f in figures))
        required = {f.command: f.required for f in figures}
        # Narrow enough for a terminal of 80 columns.
        ending = "passed" if self.passed else "FAILED"
        title = f"Gate, provisional ({self.provisional}): {ending}" if self.provisional else f"Gate: {ending}"
        table = Table(
            title=title if headed else None, title_justify="left", box=SIMPLE_HEAD, padding=(0, 0), show_edge=False
        )
        table.add_column("figure", no_wrap=True)
        table.add_column("limit", no_wrap=True)
        for command in commands:
            table.add_column(f"{command:g}" + ("" if required[command] else "*"), justify="right", no_wrap=True)
        verdict = {(line.name, line.command, line.timestep): line for line in self.lines if line.axis == axis}
        for timestep in dict.fromkeys(f.timestep for f in figures):
            block = {f.command: f.values for f in figures if f.timestep == timestep}
            table.add_section()
            table.add_row(
                Text(f"physics at {timestep * 1e3:g} ms", style="bold"),
                Text(f"{axis or self.columns}, {AXES[axis]}:", style="dim"),
            )
            for name in dict.fromkeys(name for values in block.values() for name in values):
                shown = describe(name)
                judged = [line for (n, _, dt), line in verdict.items() if n == name and dt == timestep]
                cells = []
                for command in commands:
                    line = verdict.get((name, command, timestep))
                    style = "" if line is None else "green" if line.passed else "bold red"
                    cells.append(Text(shown.text(block.get(command, {}).get(name)), style=style))
                label = f"{shown.label} ({shown.unit})" if shown.unit else shown.label
                bounds = judged[0].limit.removesuffix(f" {shown.unit}") if judged else ""
                table.add_row(label, bounds, *cells)
        notes = [] if all(required.values()) else ["* reported, not required"]
        table.caption = "\n".join([*notes, *self._strained(figures)]) or None
        return table

    def _strained(self, figures: Sequence[CommandFigures]) -> list[str]:
        """A line that names the joint with the greatest share of its limit, and where that was."""
        known = [(f, name, f.joints[name]) for f in figures if (name := f.worst_joint) is not None]
        if not known:
            return []
        f, name, joint = max(known, key=lambda entry: entry[2]["torque_rms_share"])
        where = f"{f.axis or self.columns} {f.command:g} {AXES[f.axis]}"
        share = f"{100.0 * joint['torque_rms_share']:.0f}% of its limit"
        return [
            f"most strained: {name} at {where} ({1e3 * f.timestep:g} ms)",
            f"  RMS {joint['torque_rms']:.2f} N m, {share}; peak {joint['torque_peak']:.2f} N m",
        ]


def abreast(items: Sequence[Item], most: int) -> list[Sequence[Item]]:
    """Items in order, in as few parts of at most `most` as will do, of about equal length; one part of none."""
    parts = -(-len(items) // most) or 1
    ends = [len(items) * i // parts for i in range(parts + 1)]
    return [items[start:end] for start, end in itertools.pairwise(ends)]


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
