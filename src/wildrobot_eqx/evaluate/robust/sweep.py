"""The sensitivity sweep: one parameter at a time, all levels of all parameters in one batch."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from ...arrays import f32
from ...env import Env
from ...learn.networks import AbstractPolicy
from ...locomotion import Scales
from ...robots import Robot
from ..walking.limits import of_speed
from .scores import Score, errors, keys_of, run, score
from .sweep_env import PARAMETERS, Parameter, levels_of, points_of, sweep_values, with_values

SURVIVAL = 0.97  # fraction that a level must hold, as the wrong world itself
_SPEED_ERROR = 0.0287798  # of sqrt(g L): the most speed error


def speed_limit(robot: Robot) -> float:
    """The most speed error, m/s, with which a level holds: 0.029 sqrt(g L)."""
    return of_speed(_SPEED_ERROR, Scales.of(robot))


@dataclasses.dataclass(frozen=True)
class Curve:
    """One parameter's levels and what became of the robot at each."""

    parameter: Parameter
    scores: tuple[Score, ...]
    speed_error: float  # m/s, at most

    @property
    def nominal(self) -> Score:
        """Where nothing is wrong but what is always."""
        return self.scores[self.parameter.levels.index(self.parameter.nominal)]

    @property
    def worst(self) -> int:
        """The place of the level with the lowest survival; among equals, with the largest speed error."""
        return min(range(len(self.scores)), key=lambda i: (self.scores[i].survival, -self._error(i)))

    @property
    def damage(self) -> tuple[float, float]:
        """How much survival is lost at the worst level, and how much speed error (m/s) gained at the level with most.

        Survival counts in hundredths: what is less is the luck of an episode.
        """
        lost = round(self.nominal.survival - self.scores[self.worst].survival, 2)
        return lost, max(self._error(i) for i in range(len(self.scores))) - self.nominal.speed_error

    @property
    def holds(self) -> tuple[float, float] | None:
        """The levels around the nominal one, without a gap, at which both figures are held; None where none is."""
        good = [s.survival >= SURVIVAL and s.speed_error <= self.speed_error for s in self.scores]
        return self.parameter.around(good)

    def _error(self, i: int) -> float:
        error = self.scores[i].speed_error
        return error if np.isfinite(error) else -np.inf


@dataclasses.dataclass(frozen=True)
class Sweep:
    """All curves, by as many episodes per level."""

    curves: tuple[Curve, ...]
    episodes: int
    seconds: float
    kind: str = "parameter"  # what its curves are of
    left_out: Mapping[str, str] = dataclasses.field(default_factory=dict)  # what the robot does not have, and why

    @property
    def worst(self) -> Curve | None:
        """The parameter that loses most survival over its range; among equals, that gains most speed error."""
        worst = max(self.curves, key=lambda curve: curve.damage)
        return worst if max(worst.damage) > 0.0 else None

    @property
    def summary(self) -> str:
        """The worst parameter in a sentence."""
        if self.worst is None:
            return f"no {self.kind} does any harm within its range"
        curve, parameter = self.worst, self.worst.parameter
        at = curve.worst
        if curve.damage[0] <= 0.0:
            finite = [s.speed_error if np.isfinite(s.speed_error) else -1.0 for s in curve.scores]
            at = int(np.argmax(finite))
        level, found = parameter.levels[at] * parameter.scale, curve.scores[at]
        error = f"{found.speed_error:.3f} m/s" if np.isfinite(found.speed_error) else "not measurable"
        return (
            f"the worst {self.kind} is {parameter.label}: at {level:g} {parameter.unit} survival is "
            f"{100.0 * found.survival:.1f}% and speed error {error} "
            f"(nominal: {100.0 * curve.nominal.survival:.1f}%, {curve.nominal.speed_error:.3f} m/s)"
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; levels in the shown unit."""
        return {
            "episodes_per_level": self.episodes,
            "episode_seconds": self.seconds,
            "speed_error": self.curves[0].speed_error if self.curves else None,
            "worst": None if self.worst is None else self.worst.parameter.name,
            "summary": self.summary,
            "left_out": dict(self.left_out),
            "parameters": [_curve_json(curve) for curve in self.curves],
        }


def _curve_json(curve: Curve) -> dict[str, Any]:
    return curve.parameter.to_json(curve.holds, [s.to_json() for s in curve.scores])


def sweep(
    env: Env,
    policy: AbstractPolicy,
    speeds: Sequence[float],
    episodes: int,
    seconds: float,
    parameters: Sequence[Parameter] = PARAMETERS,
    left_out: Mapping[str, str] | None = None,
) -> Sweep:
    """Set one parameter at a time.

    Args:
        env: of `make_sweep_env`.
        policy: its mean is the action.
        speeds: commands, m/s, which the episodes of a level take in turn.
        episodes: per level. The i-th of every level has the same key: only the level differs.
        seconds: of each.
        parameters: what is swept. Where all are nominal is run once.
        left_out: parameters that are not, and why.
    """
    points = points_of(parameters)
    command = np.resize(np.asarray(speeds, np.float32), episodes)
    ahead = np.tile(command, len(points))
    rows = np.stack([ahead, np.zeros_like(ahead), np.zeros_like(ahead)], axis=1)

    cases = sweep_values(f32(ahead), levels_of(parameters, points, episodes))
    keys = jnp.tile(keys_of(env.physics.timestep, episodes), len(points))
    tally = run(env, policy, with_values, cases, keys, seconds, "sweep")
    error = errors(tally, rows, env.physics.control_dt).reshape(len(points), episodes)
    upright = np.asarray(tally.upright).reshape(error.shape)
    found = {point: score(upright[i], error[i]) for i, point in enumerate(points)}
    most = speed_limit(env.physics.robot)
    curves = tuple(Curve(p, tuple(found[point] for point in p.points), most) for p in parameters)
    return Sweep(curves, episodes, seconds, left_out=left_out or {})
