"""A robust evaluation of whatever has a gate: its required cases in a wrong world, and parameter by parameter."""

import dataclasses
import logging
from collections.abc import Callable, Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from ...env import Env
from ...errors import WildRobotError
from ...learn.networks import AbstractPolicy
from ..gate import AbstractGate, judge_as_is, shown_of
from ..gate_result import GateResult
from .gate_sweep import GateSweep, sweep_by_gate
from .scores import keys_of
from .sweep_env import make_sweep_env, parameters_of
from .tables import left_out_lines, marked, source_summary, span, table
from .widen import Range
from .wrong_world import wrong_world

_log = logging.getLogger(__name__)

SLACK = 0.1
"""The fraction of itself by which each limit gives way where the robot is not as drawn."""


@dataclasses.dataclass(frozen=True)
class GateWorld:
    """What the gate found in a wrong world."""

    result: GateResult
    sources: Mapping[str, str]
    ranges: tuple[Range, ...]
    left_out: Mapping[str, str]  # what the robot does not have, and why


@dataclasses.dataclass
class RobustByGate:
    """The parts that were run; a part that was not is None."""

    gate: str  # its class
    timestep: float  # s
    provisional: str = ""  # why the verdict decides nothing
    world: GateWorld | None = None
    sweep: GateSweep | None = None

    @property
    def passed(self) -> bool:
        """Every line of the wrong world passed; without it, nothing did."""
        return self.world is not None and self.world.result.passed

    def failed_lines(self) -> list[str]:
        """The lines that failed, each in full."""
        return [] if self.world is None else [f"in a wrong world, {s}" for s in self.world.result.failed_lines()]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; what could not be measured is null. docs/robustness.md has the schema."""
        world, judged = self.world, None if self.world is None else self.world.result.to_json()
        return {
            "schema": 1,
            "kind": "gate",
            "gate": self.gate,
            "passed": self.passed,
            "provisional": self.provisional or None,
            "timestep": self.timestep,
            "slack": SLACK,
            "episodes": None if judged is None else judged["episodes"],
            "episode_seconds": None if judged is None else judged["episode_seconds"],
            "failed": self.failed_lines(),
            "lines": [] if judged is None else judged["lines"],
            "shown": {} if judged is None else judged["shown"],
            "world": None if world is None or judged is None else _world_json(world, judged),
            "sweep": None if self.sweep is None else self.sweep.to_json(),
            "terrain": None,
            "pushes": None,
        }

    def pages(self) -> list[Table | str]:
        """Tables and sentences for a terminal of 80 columns."""
        found: list[Table | str] = []
        if self.world is not None:
            found += _world_pages(self.world, self)
        if self.sweep is not None:
            found += [_sweep_table(self.sweep), f"Sweep: {self.sweep.summary}.", *left_out_lines(self.sweep.left_out)]
        return found


def judge_by_gate(
    env: Env,
    gate: AbstractGate,
    policy: AbstractPolicy,
    episodes: int,
    whole: int,
    per_level: int,
    timestep: float | None = None,
    keep: Callable[[RobustByGate], None] = lambda _: None,
) -> RobustByGate:
    """Judge a policy by its gate's own meter, cases and limits; `keep` is called after each part that is done.

    Args:
        env: the recipe's.
        gate: its required cases are judged; each limit gives way by `SLACK`.
        policy: its mean is the action.
        episodes: in a wrong world, over all cases.
        whole: how many make the verdict whole; fewer are provisional, and make the sweep smaller.
        per_level: episodes of a level of the whole sweep, over all cases.
        timestep: of physics, s; the gate's first if None.
        keep: gets what there is.

    Raises:
        WildRobotError: the gate requires nothing.
        KeyboardInterrupt: it was stopped; what was done is kept, provisional.
    """
    cases = tuple(case for case in gate.cases(env) if case.required)
    limits = tuple(limit.loosened(SLACK) for limit in gate.limits(env))
    if not any(limit.applies(case.name) for case in cases for limit in limits):
        raise WildRobotError(
            f"The {type(gate).__name__} requires nothing that a robust evaluation could judge by.",
            where=f"{type(gate).__name__}, cases and limits",
            hint="require a case, and hold it to a limit",
        )
    provisional = f"{episodes} of {whole} episodes" if episodes < whole else ""
    result = RobustByGate(type(gate).__name__, gate.timesteps[0] if timestep is None else timestep, provisional)
    each, level = (max(1, n // len(cases)) for n in (episodes, min(per_level, per_level * episodes // whole)))
    try:
        _log.info(f"1 of 2, a wrong world: {each} episodes of {gate.seconds:g} s per case")
        world = wrong_world(env, result.timestep)
        figures, lines = judge_as_is(
            gate, world.env, policy, cases, limits, each, "wrong world", lambda n: keys_of(result.timestep, n)
        )
        shown = shown_of(gate.meter(env), limits)
        judged = GateResult(tuple(lines), tuple(figures), each, gate.seconds, provisional, gate.columns, shown)
        result.world = GateWorld(judged, world.sources, world.ranges, world.left_out)
        keep(result)
        _log.info(f"2 of 2, one parameter at a time: {level} episodes of {gate.seconds:g} s per level and case")
        settable, swept = make_sweep_env(env, result.timestep), parameters_of(env.physics.robot)
        result.sweep = sweep_by_gate(gate, settable, policy, cases, limits, level, *swept)
        keep(result)
    except KeyboardInterrupt:
        result.provisional = ", ".join(filter(None, (result.provisional, "stopped")))
        keep(result)
        raise
    return result


def _world_json(world: GateWorld, judged: dict[str, Any]) -> dict[str, Any]:
    return {
        "sources": dict(world.sources),
        "left_out": dict(world.left_out),
        "ranges": [dataclasses.asdict(found) for found in world.ranges],
        "columns": judged["columns"],
        "figures": judged["figures"],
    }


def _world_pages(world: GateWorld, result: RobustByGate) -> list[Table | str]:
    first, *more = world.result.tables()
    kind = f"Robust, provisional ({result.provisional})" if result.provisional else "Robust"
    first.title = f"{kind}: {'passed' if result.passed else 'FAILED'}"
    sources = source_summary(world.sources) or "as drawn"
    episodes = f"{world.result.episodes} episodes of {world.result.seconds:g} s per case"
    slack = f"Limits are the gate's, {100.0 * SLACK:g}% wider."
    return [first, *more, f"World: {sources}. {episodes}. {slack}", *left_out_lines(world.left_out)]


def _sweep_table(sweep: GateSweep) -> Table:
    """The worst level of each parameter, and the line that is worst there."""
    title = f"One parameter at a time, {sweep.episodes} episodes of {sweep.seconds:g} s per level and case"
    page = table(title, ("parameter", "swept", "holds", "worst at", "there"))
    for curve in sweep.curves:
        p, at = curve.parameter, curve.worst
        swept = span(p.levels[0], p.levels[-1], p.scale)
        holds = "nowhere" if curve.holds is None else span(*curve.holds, p.scale)
        line = curve.levels[at].worst
        page.add_row(
            Text(f"{p.label}, {p.unit}", style="bold" if curve is sweep.worst else ""),
            swept,
            marked(holds, holds == swept),
            f"{p.levels[at] * p.scale:g}",
            marked(f"{line.label} {line.text}", line.passed),
        )
    return page
