"""The sensitivity sweep by a gate: one parameter at a time, each level held to the gate's limits."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ...arrays import finite_or_none
from ...env import Env
from ...learn.networks import AbstractPolicy
from ..gate import AbstractGate, batches, judge_case, shown_of
from ..gate_result import CommandFigures, GateLine, Limit
from ..meter import Case
from ..rollout import run_cases
from .scores import keys_of
from .sweep_env import Parameter, Point, SweepValues, levels_of, points_of, sweep_values, with_parameters


@dataclasses.dataclass(frozen=True)
class Level:
    """What a gate finds at one level of one parameter, or where all are nominal."""

    figures: tuple[CommandFigures, ...]  # by case
    lines: tuple[GateLine, ...]
    margins: tuple[float, ...]  # of the lines, `Limit.margin`

    @property
    def holds(self) -> bool:
        """Whether every line is within its limit."""
        return all(line.passed for line in self.lines)

    @property
    def margin(self) -> float:
        """Of the line that is worst."""
        return min(self.margins)

    @property
    def worst(self) -> GateLine:
        """The line with the smallest margin."""
        return self.lines[self.margins.index(self.margin)]

    def line(self, like: GateLine) -> GateLine:
        """The line of the same figure and case."""
        return next(line for line in self.lines if (line.name, line.column) == (like.name, like.column))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; figures by case, null where nothing could be measured."""
        figures = {f.column: f.to_json()["values"] for f in self.figures}
        return {"holds": self.holds, "margin": finite_or_none(self.margin), "figures": figures}


@dataclasses.dataclass(frozen=True)
class GateCurve:
    """One parameter's levels and what the gate found at each."""

    parameter: Parameter
    levels: tuple[Level, ...]

    @property
    def nominal(self) -> Level:
        """Where nothing is wrong but what is always."""
        return self.levels[self.parameter.levels.index(self.parameter.nominal)]

    @property
    def worst(self) -> int:
        """The place of the level with the smallest margin."""
        return min(range(len(self.levels)), key=lambda i: self.levels[i].margin)

    @property
    def damage(self) -> float:
        """How much margin is lost between the nominal and the worst level, in whole hundredths; none from no margin."""
        nominal, worst = self.nominal.margin, self.levels[self.worst].margin
        return 0.0 if math.isinf(nominal) else round(nominal - worst, 2)

    @property
    def holds(self) -> tuple[float, float] | None:
        """The levels around the nominal one, without a gap, at which every limit holds; None where none is."""
        return self.parameter.around([level.holds for level in self.levels])


@dataclasses.dataclass(frozen=True)
class GateSweep:
    """All curves, by as many episodes per level and case."""

    curves: tuple[GateCurve, ...]
    limit: Limit  # the first one: its figure is drawn
    episodes: int
    seconds: float
    left_out: Mapping[str, str]  # parameters that the robot does not have, and why

    @property
    def worst(self) -> GateCurve | None:
        """The parameter that takes most of the margin over its range; None where none takes any."""
        worst = max(self.curves, key=lambda curve: curve.damage)
        return worst if worst.damage > 0.0 else None

    @property
    def summary(self) -> str:
        """The worst parameter in a sentence, after what does not hold where all are nominal."""
        first, prefix = self.curves[0].nominal, ""
        if not first.holds:
            line = first.worst
            prefix = f"where all are nominal, {line.figure_at_case} is {line.text} and must be {line.limit}; "
        if self.worst is None:
            return f"{prefix}no parameter does any {'more ' if prefix else ''}harm within its range"
        curve, parameter = self.worst, self.worst.parameter
        line = curve.levels[curve.worst].worst
        level, nominal = parameter.levels[curve.worst] * parameter.scale, curve.nominal.line(line)
        return (
            f"{prefix}the worst parameter is {parameter.label}: at {level:g} {parameter.unit} {line.figure_at_case} is "
            f"{line.text} (nominal: {nominal.text}, must be {line.limit})"
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; levels in the shown unit, figures and bounds in stored units."""
        return {
            "episodes_per_level": self.episodes,
            "episode_seconds": self.seconds,
            "worst": None if self.worst is None else self.worst.parameter.name,
            "summary": self.summary,
            "left_out": dict(self.left_out),
            "figure": self.limit.figure,
            "bounds": [self.limit.low, self.limit.high],
            "parameters": [c.parameter.to_json(c.holds, [level.to_json() for level in c.levels]) for c in self.curves],
        }


def sweep_by_gate(
    gate: AbstractGate,
    env: Env,
    policy: AbstractPolicy,
    cases: Sequence[Case],
    limits: Sequence[Limit],
    episodes: int,
    parameters: Sequence[Parameter],
    left_out: Mapping[str, str],
) -> GateSweep:
    """Set one parameter at a time; all levels of all parameters are one batch for each of the gate's own.

    Args:
        gate: prepares the env, measures, and sets episodes apart.
        env: of `make_sweep_env`.
        policy: its mean is the action.
        cases: of the gate's, those that it requires.
        limits: what they are held to.
        episodes: per level and case. The i-th of every level has the same key: only the level differs.
        parameters: what is swept. Where all are nominal is run once.
        left_out: parameters that are not, and why.
    """
    judged, points, timestep = gate.prepare(env), points_of(parameters), env.physics.timestep
    meter = gate.meter(judged)
    shown = shown_of(meter, limits)
    found: dict[Point, list[tuple[CommandFigures, list[GateLine], list[float]]]] = {point: [] for point in points}
    for batch in batches(cases):
        count = len(batch) * episodes
        own = jax.tree.map(lambda leaf: jnp.concatenate([leaf] * len(points)), gate.rows(batch, episodes))
        level = sweep_values(jnp.zeros((len(points) * count,), jnp.float32), levels_of(parameters, points, count))
        keys = jnp.tile(keys_of(timestep, count), len(points))
        every = batch * len(points)
        tallies = run_cases(
            judged, policy, meter, every, episodes, gate.seconds, "sweep", _AtLevel(gate), (own, level), keys
        )
        for i, (case, tally) in enumerate(zip(every, tallies)):
            values, joints = meter.figures(tally, case), meter.joints(tally)
            figures, lines = judge_case(case, values, limits, timestep, joints, shown)
            margins = [limit.margin(values.get(limit.figure, np.nan)) for limit in limits if limit.applies(case.name)]
            found[points[i // len(batch)]].append((figures, lines, margins))
    levels = {point: _level(parts) for point, parts in found.items()}
    curves = tuple(GateCurve(p, tuple(levels[point] for point in p.points)) for p in parameters)
    return GateSweep(curves, limits[0], episodes, gate.seconds, left_out)


class _AtLevel(eqx.Module):
    """The env of one episode of a sweep: its parameters are set here, its case by the gate."""

    gate: AbstractGate

    def __call__(self, env: Env, row: tuple[Any, SweepValues]) -> Env:
        own, level = row
        return self.gate.vary(with_parameters(env, level), own)


def _level(parts: Sequence[tuple[CommandFigures, list[GateLine], list[float]]]) -> Level:
    return Level(
        tuple(figures for figures, _, _ in parts),
        tuple(line for _, lines, _ in parts for line in lines),
        tuple(margin for _, _, margins in parts for margin in margins),
    )
