"""Sideways and turning, as a gate judges them: reached against commanded, and what it costs."""

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np

from ...env import Env
from ...errors import WildRobotError
from ...locomotion import velocity_of
from ..gate import Case, CommandFigures, GateLine, Limit, judge_case
from .episodes import velocity_values
from .figures import figures, joint_torques
from .limits import effort, of_rate, of_speed
from .meter import GaitMeter, GaitTally

_KEPT = (
    "survival",
    "speed",
    "lateral_speed",
    "turn",
    "lateral_error",
    "turn_error",
    "heading_error",
    "tilt",
    "slip",
    "torque_rms",
    "joint_torque_share",
    "joint_torque_continuous",
    "saturated",
    "overspeed",
)


@dataclasses.dataclass(frozen=True)
class Motion:
    """One command of a gate beside the speeds ahead: `command` m/s to the left, or a turn of rad/s to the left.

    `required` motions are held to the limits, the others only shown.
    """

    axis: Literal["left", "turn"]
    command: float
    required: bool = True

    @property
    def name(self) -> str:
        """Of its case."""
        return f"{self.axis} {self.command:g}"

    @property
    def case(self) -> Case:
        """What lines and tables say of it."""
        return Case(self.name, required=self.required, command=self.command, axis=self.axis, batch=1)


def motion_cases(env: Env, motions: tuple[Motion, ...]) -> tuple[Case, ...]:
    """The motions as cases of a batch of their own, on the spot but for the motion.

    Raises:
        WildRobotError: the env's command never asks for such a motion.
    """
    command = velocity_of(env.commands)[1] if motions else None
    for axis, field in (("left", "lin_vel_y"), ("turn", "ang_vel_z")):
        if any(motion.axis == axis for motion in motions) and getattr(command, field) is None:
            raise WildRobotError(
                f"The gate judges the motion {axis!r}, which the env's command never asks for.",
                where="WalkGate, motions",
                hint="give the VelocityCommand lin_vel_y and ang_vel_z, or the gate no motions",
            )
    return tuple(dataclasses.replace(motion.case, values=_values(env, motion)) for motion in motions)


def _values(env: Env, motion: Motion) -> dict[str, tuple[float, ...]]:
    left = motion.axis == "left"
    return velocity_values(env, 0.0, motion.command if left else 0.0, 0.0 if left else motion.command)


def judge_motion(
    meter: GaitMeter, tally: GaitTally, motion: Motion, timestep: float
) -> tuple[CommandFigures, list[GateLine]]:
    """The figures of one motion's episodes, and the lines that they are held to."""
    values, joints = motion_figures(meter, tally, motion), joint_torques(meter, tally)
    return judge_case(motion.case, values, limits(meter, motion), timestep, joints)


def motion_figures(meter: GaitMeter, tally: GaitTally, motion: Motion) -> dict[str, float]:
    """What is shown of one motion's episodes, as far as it could be measured."""
    values = figures(meter, tally, 0.0)
    upright = tally.upright
    time = meter.dt * np.maximum(tally.judged[upright], 1)
    lateral = (tally.position - tally.warm)[upright, 1] / time
    turn = tally.turned[upright] / time
    reached = lateral if motion.axis == "left" else turn
    error = float(np.mean(np.abs(reached - motion.command))) if reached.size else np.nan
    values |= {
        "lateral_speed": float(np.mean(lateral)) if lateral.size else np.nan,
        "turn": float(np.mean(turn)) if turn.size else np.nan,
        "lateral_error": error if motion.axis == "left" else np.nan,
        "turn_error": error if motion.axis == "turn" else np.nan,
    }
    if motion.axis == "turn":  # a frame that turns has no side to walk to
        values |= {"speed": np.nan, "lateral_speed": np.nan}
    shown = {name: values.get(name, np.nan) for name in _KEPT}
    return {name: value for name, value in shown.items() if np.isfinite(value) or name == "survival"}


def limits(meter: GaitMeter, motion: Motion) -> Sequence[Limit]:
    """What a required motion is held to; docs/gate.md says why."""
    name = (motion.name,)
    if motion.axis == "left":
        own = Limit("lateral_error", high=of_speed(0.0119916, meter.scales))
    else:
        own = Limit("turn_error", high=of_rate(0.0106259, meter.scales))
    heading = [Limit("heading_error", high=5.0, cases=name)] if motion.axis == "left" else []
    own = dataclasses.replace(own, cases=name)
    return [Limit("survival", low=0.99, cases=name), own, *heading, *effort(meter, name)]
