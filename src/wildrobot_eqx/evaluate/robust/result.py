"""What a robust evaluation found: its verdict, its figures, and both as tables, sentences and JSON."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from ...arrays import finite_or_none
from ..gate_result import fitting
from ..walking.kicks import DIRECTIONS
from .cases import AxisCommand
from .ladder import DURATIONS, Ladder
from .scores import Score
from .sweep import SURVIVAL, Sweep
from .tables import left_out_lines, marked, source_summary, span, table
from .widen import Range

_SPEEDS = 5  # commands abreast in a terminal of 80 columns


@dataclasses.dataclass(frozen=True)
class Line:
    """One figure of the wrong world, held to its limit."""

    name: str
    value: float
    limit: str
    passed: bool

    def __str__(self) -> str:
        return f"{self.name} in a wrong world: {self.value:.3f}, must be {self.limit}"


@dataclasses.dataclass(frozen=True)
class World:
    """The episodes in a wrong world."""

    score: Score
    by_command: dict[AxisCommand, Score]
    episodes: int
    seconds: float
    sources: dict[str, str]
    ranges: tuple[Range, ...]
    speed_error: float  # m/s, at most
    left_out: Mapping[str, str] = dataclasses.field(default_factory=dict)  # what the robot does not have, and why

    @property
    def lines(self) -> tuple[Line, ...]:
        """The two figures that decide."""
        survival, error = self.score.survival, self.score.speed_error
        return (
            Line("survival", survival, f">= {SURVIVAL}", survival >= SURVIVAL),
            Line("speed_error", error, f"<= {self.speed_error:g} m/s", error <= self.speed_error),
        )


@dataclasses.dataclass
class RobustResult:
    """The parts that were run; a part that was not is None."""

    timestep: float  # s
    provisional: str = ""  # why the verdict decides nothing
    world: World | None = None
    sweep: Sweep | None = None
    ladder: Ladder | None = None
    terrain: Sweep | None = None

    @property
    def passed(self) -> bool:
        """Both lines of the wrong world passed; without it, nothing did."""
        return self.world is not None and all(line.passed for line in self.world.lines)

    def failed_lines(self) -> list[str]:
        """The lines that failed, each in full."""
        return [] if self.world is None else [str(line) for line in self.world.lines if not line.passed]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; what could not be measured is null."""
        world = self.world
        return {
            "schema": 1,
            "kind": "velocity",
            "passed": self.passed,
            "provisional": self.provisional or None,
            "timestep": self.timestep,
            "episodes": None if world is None else world.episodes,
            "episode_seconds": None if world is None else world.seconds,
            "failed": self.failed_lines(),
            "lines": [] if world is None else [_line_json(line) for line in world.lines],
            "world": None if world is None else _world_json(world),
            "sweep": None if self.sweep is None else self.sweep.to_json(),
            "terrain": None if self.terrain is None else self.terrain.to_json(),
            "pushes": None if self.ladder is None else self.ladder.to_json(),
        }

    def pages(self) -> list[Table | str]:
        """Tables and sentences for a terminal of 80 columns."""
        found: list[Table | str] = []
        if self.world is not None:
            found += _world_pages(self.world, self)
        if self.sweep is not None:
            found += [_sweep_table(self.sweep), f"Sweep: {self.sweep.summary}.", *left_out_lines(self.sweep.left_out)]
        if self.terrain is not None:
            found += [_sweep_table(self.terrain), f"Terrain: {self.terrain.summary}."]
        if self.ladder is not None and len(self.ladder.survived):
            found += [_ladder_table(self.ladder)]
        return found


def _line_json(line: Line) -> dict[str, Any]:
    return {**dataclasses.asdict(line), "value": finite_or_none(line.value)}


def _world_json(world: World) -> dict[str, Any]:
    return {
        "sources": world.sources,
        "left_out": dict(world.left_out),
        "ranges": [dataclasses.asdict(found) for found in world.ranges],
        "commands": [{"axis": c.axis, "command": c.command, **s.to_json()} for c, s in world.by_command.items()],
    }


def _percent(value: float) -> str:
    return f"{100.0 * value:.1f}%"


def _error(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "–"


def _world_pages(world: World, result: RobustResult) -> list[Table | str]:
    ending = "passed" if result.passed else "FAILED"
    kind = f"Robust, provisional ({result.provisional})" if result.provisional else "Robust"
    ahead = {c: s for c, s in world.by_command.items() if c.axis == "ahead"}
    motions = {c: s for c, s in world.by_command.items() if c.axis != "ahead"}
    title = f"{kind}: {ending}"
    pages = fitting(list(ahead), _SPEEDS, lambda i, part: _world_table("" if i else title, world, part, i == 0))
    if motions:
        pages += fitting(list(motions), _SPEEDS, lambda i, part: _world_table("", world, part, False))
    summary = f"World: {source_summary(world.sources)}. {world.episodes} episodes of {world.seconds:g} s."
    return [*pages, summary, *left_out_lines(world.left_out)]


def _world_table(title: str, world: World, commands: Sequence[AxisCommand], judged: bool) -> Table:
    """Survival and errors of some commands; `judged`: and of all together, with the limits, which they all count in."""
    scores = {c: world.by_command[c] for c in commands}
    page = table(title, ("in a wrong world", *(("limit", "all") if judged else ()), *map(str, scores)))
    survival, error = world.lines
    limits = [
        (">= 97%", marked(_percent(survival.value), survival.passed)),
        (f"<= {world.speed_error:g}", marked(_error(error.value), error.passed)),
    ]
    units = ", ".join(dict.fromkeys("rad/s" if c.axis == "turn" else "m/s" for c in scores))
    names = ("survival", "speed error (m/s)" if judged else f"error ({units})")
    found = ([_percent(s.survival) for s in scores.values()], [_error(s.speed_error) for s in scores.values()])
    for name, limit, cells in zip(names, limits, found):
        page.add_row(name, *(limit if judged else ()), *cells)
    return page


def _sweep_table(sweep: Sweep) -> Table:
    title = f"One {sweep.kind} at a time, {sweep.episodes} episodes of {sweep.seconds:g} s per level"
    page = table(title, (sweep.kind, "swept", "holds", "worst at", "survival", "error m/s"))
    for curve in sweep.curves:
        p, at = curve.parameter, curve.worst
        swept = span(p.levels[0], p.levels[-1], p.scale)
        holds = "nowhere" if curve.holds is None else span(*curve.holds, p.scale)
        score = curve.scores[at]
        page.add_row(
            Text(f"{p.label}, {p.unit}", style="bold" if curve is sweep.worst else ""),
            swept,
            marked(holds, holds == swept),
            f"{p.levels[at] * p.scale:g}",
            _percent(score.survival),
            _error(score.speed_error),
        )
    return page


def _ladder_table(ladder: Ladder) -> Table:
    """The largest push on whose rung, and all below, so many survive."""
    title = f"Largest push at {ladder.command:g} m/s, {ladder.survived.shape[-1]} phases"
    columns = ("by 50%:", "N s", "m/s", "N", "by 95%: N s", "m/s", "N", "weakest side")
    page = table(title if ladder.complete else f"{title}; stopped early", columns)
    for i, duration in enumerate(DURATIONS):
        cells = []
        for fraction in (0.5, 0.95):
            velocity = ladder.largest(fraction, i)
            more = ">=" if ladder.beyond(fraction, i) else ""
            force = _short(velocity * ladder.mass / duration) if duration else ""
            cells += [f"{more}{_short(velocity * ladder.mass)}", _short(velocity), force]
        weakest = ladder.weakest(0.95, i)
        least = ladder.largest(0.95, i, DIRECTIONS.index(weakest))
        name = f"in {duration:g} s" if duration else "kick"
        page.add_row(name, *cells, f"{weakest.replace('_', ' ')} {_short(least)}")
    return page


def _short(value: float) -> str:
    """Two significant digits, and whole numbers from 10 on."""
    return f"{value:.0f}" if value >= 9.95 else f"{value:.2g}"
