"""Gates: what counts as done. The walk gate judges a policy's walk on the native engine."""

import abc
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from ..env import Env
from ..errors import WildRobotError
from ..learn.networks import AbstractPolicy
from .episodes import judged_env, run_episodes
from .figures import describe, figures
from .gait import GaitMeter, GaitTally


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

    def __str__(self) -> str:
        shown = describe(self.name)
        unit = f" {shown.unit}" if shown.unit else ""
        return (
            f"{shown.label} {self.when} {self.command:g} m/s ({self.timestep * 1e3:g} ms physics): "
            f"{shown.text(self.value)}{unit}, must be {self.limit}"
        )


@dataclasses.dataclass(frozen=True)
class CommandFigures:
    """All figures of one command at one physics timestep."""

    command: float  # m/s, or of the kick
    timestep: float  # s
    required: bool
    values: dict[str, float]


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
            "figures": [
                {**dataclasses.asdict(f), "values": {name: _plain(v) for name, v in f.values.items()}}
                for f in self.figures
            ],
        }

    def table(self) -> Table:
        """A table: figures down, commands across, one block per timestep; what failed in red."""
        commands = list(dict.fromkeys(f.command for f in self.figures))
        required = {f.command: f.required for f in self.figures}
        # Narrow enough for a terminal of 80 columns.
        ending = "passed" if self.passed else "FAILED"
        title = f"Gate, provisional ({self.provisional}): {ending}" if self.provisional else f"Gate: {ending}"
        table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 0), show_edge=False)
        table.add_column("figure", no_wrap=True)
        table.add_column("limit", no_wrap=True)
        for command in commands:
            table.add_column(f"{command:g}" + ("" if required[command] else "*"), justify="right", no_wrap=True)
        verdict = {(line.name, line.command, line.timestep): line for line in self.lines}
        for timestep in dict.fromkeys(f.timestep for f in self.figures):
            block = {f.command: f.values for f in self.figures if f.timestep == timestep}
            table.add_section()
            table.add_row(
                Text(f"physics at {timestep * 1e3:g} ms", style="bold"), Text(f"{self.columns}, m/s:", style="dim")
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
        if not all(required.values()):
            table.caption = "* reported, not required"
        return table


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


class AbstractGate(eqx.Module):
    """Judges a policy in the env that it was trained for."""

    @abc.abstractmethod
    def __call__(
        self,
        env: Env,
        policy: AbstractPolicy,
        *,
        episodes: int | None = None,
        timesteps: tuple[float, ...] | None = None,
        engine: str = "native",
        progress: Callable[[str], None] | None = None,
    ) -> GateResult:
        """Judge `policy`.

        Args:
            env: the recipe's env.
            policy: its distribution's mean is the action.
            episodes: per command and timestep; the gate's own number if None. Where it is
                fewer, the result says so: it is `provisional`.
            timesteps: of physics, s; the gate's own if None. The same goes for these.
            engine: the physics backend that simulates; a verdict of another than `native` is that engine's only.
            progress: told how far it is, now and then.

        Raises:
            WildRobotError: a timestep does not divide the control period, or there is nothing to judge.
        """


def shortfall(own: int, own_timesteps: tuple[float, ...], episodes: int, timesteps: tuple[float, ...]) -> str:
    """What of a gate's own episodes and timesteps (s) was run, where it was not all; else nothing."""
    run = [known for known in own_timesteps if any(np.isclose(known, timestep) for timestep in timesteps)]
    parts = [f"{episodes} of {own} episodes"] if episodes < own else []
    if len(run) < len(own_timesteps):
        parts.append(f"{len(run)} of {len(own_timesteps)} physics timesteps")
    return ", ".join(parts)


class WalkGate(AbstractGate):
    """The walk gate: commanded speeds, held for `seconds` each, judged after `warmup`. docs/gate.md has the lines."""

    required: tuple[float, ...] = eqx.field(static=True, default=(0.0, 0.1, 0.2, 0.3, 0.4))  # m/s
    reported: tuple[float, ...] = eqx.field(static=True, default=(0.5, 0.6))  # m/s
    episodes: int = eqx.field(static=True, default=256)
    seconds: float = eqx.field(static=True, default=20.0)
    warmup: float = eqx.field(static=True, default=3.0)
    timesteps: tuple[float, ...] = eqx.field(static=True, default=(0.005, 0.002))  # s

    def __check_init__(self):
        if not 0.0 <= self.warmup < self.seconds:
            raise WildRobotError(
                f"A warm-up of {self.warmup:g} s leaves nothing of episodes of {self.seconds:g} s to judge.",
                where="WalkGate",
                hint="make `seconds` longer than `warmup`",
            )

    def __call__(
        self,
        env: Env,
        policy: AbstractPolicy,
        *,
        episodes: int | None = None,
        timesteps: tuple[float, ...] | None = None,
        engine: str = "native",
        progress: Callable[[str], None] | None = None,
    ) -> GateResult:
        episodes = self.episodes if episodes is None else episodes
        timesteps = self.timesteps if timesteps is None else timesteps
        if episodes < 1 or not timesteps:
            raise WildRobotError(
                f"A gate needs at least one episode and one timestep, got {episodes} and {timesteps}.",
                where="WalkGate",
                hint="ask for more",
            )
        meter = GaitMeter(env.physics.robot, self.seconds, self.warmup)
        speeds = (*self.required, *self.reported)
        lines: list[GateLine] = []
        found: list[CommandFigures] = []
        for timestep in timesteps:
            judged = judged_env(env, timestep, engine)
            tallies = run_episodes(judged, policy, meter, speeds, episodes, self.seconds, progress)
            for speed, tally in zip(speeds, tallies):
                shown, held = self.judge(meter, tally, speed, timestep)
                found.append(shown)
                lines += held
        provisional = self.provisional(episodes, timesteps)
        return GateResult(tuple(lines), tuple(found), episodes, self.seconds, provisional)

    def provisional(self, episodes: int, timesteps: tuple[float, ...]) -> str:
        """What of the gate's own episodes and timesteps was run, where it was not all; else nothing."""
        return shortfall(self.episodes, self.timesteps, episodes, timesteps)

    def judge(
        self, meter: GaitMeter, tally: GaitTally, command: float, timestep: float
    ) -> tuple[CommandFigures, list[GateLine]]:
        """The figures of one command's episodes, and the lines that they are held to."""
        values = figures(meter, tally, command)
        required = command in self.required
        lines = [
            GateLine(
                limit.figure, command, timestep, values[limit.figure], limit.text, limit.accepts(values[limit.figure])
            )
            for limit in self.limits(meter)
            if required and limit.applies(command)
        ]
        return CommandFigures(command, timestep, required, values), lines

    def limits(self, meter: GaitMeter) -> Sequence[Limit]:
        """Every limit, for a robot with the meter's feet and servos."""
        peaks = [Limit(f"swing_peak_{foot}", low=0.03, moving=True, least_speed=0.1) for foot in meter.feet]
        symmetry = [Limit("swing_ratio", 0.8, 1.25, moving=True)] if len(meter.feet) == 2 else []
        return [
            Limit("survival", low=0.99),
            Limit("speed_error", high=0.025),
            Limit("drift", high=0.2),
            Limit("heading_error", high=5.0),
            *peaks,
            Limit("feet_down", low=0.99, standing=True),
            Limit("travel_speed", high=0.01, standing=True),
            Limit("pitch", -8.0, 8.0),
            *symmetry,
            Limit("slip", high=0.05),
            Limit("torque_rms", high=meter.stall_torque / 3.0),
            Limit("saturated", high=0.02),
            Limit("overspeed", high=0.01),
        ]
