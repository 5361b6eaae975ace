"""Sideways and turning, as a gate judges them: reached against commanded, and what it costs."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from ...env import Env
from ...errors import WildRobotError
from ...learn.networks import AbstractPolicy
from ...locomotion import velocity_of
from ..gate_result import CommandFigures, GateLine, Limit, continuous_torque
from ..rollout import run_episodes
from .figures import figures, joint_torques
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


def judge_motions(
    env: Env,
    policy: AbstractPolicy,
    meter: GaitMeter,
    motions: tuple[Motion, ...],
    episodes: int,
    seconds: float,
    progress: Callable[[str], None] | None = None,
) -> tuple[list[CommandFigures], list[GateLine]]:
    """Figures and lines of each motion at the physics timestep of a judged env, on the spot but for the motion.

    Raises:
        WildRobotError: the env's command never asks for such a motion.
    """
    command = velocity_of(env.commands)[1]
    for axis, bounds in (("left", command.lin_vel_y), ("turn", command.ang_vel_z)):
        if bounds is None and any(motion.axis == axis for motion in motions):
            raise WildRobotError(
                f"The gate judges the motion {axis!r}, which the env's command never asks for.",
                where="WalkGate, motions",
                hint="give the VelocityCommand lin_vel_y and ang_vel_z, or the gate no motions",
            )
    told = tuple((m.command, 0.0) if m.axis == "left" else (0.0, m.command) for m in motions)
    speeds = (0.0,) * len(motions)
    tallies = run_episodes(env, policy, meter, speeds, episodes, seconds, progress, motions=told)
    timestep = float(env.physics.timestep)
    judged = [judge_motion(meter, tally, motion, timestep) for motion, tally in zip(motions, tallies)]
    return [figures for figures, _ in judged], [line for _, lines in judged for line in lines]


def judge_motion(
    meter: GaitMeter, tally: GaitTally, motion: Motion, timestep: float
) -> tuple[CommandFigures, list[GateLine]]:
    """The figures of one motion's episodes, and the lines that they are held to."""
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
    shown = {name: value for name, value in shown.items() if np.isfinite(value) or name == "survival"}
    lines = [
        GateLine(
            limit.figure,
            motion.command,
            timestep,
            values[limit.figure],
            limit.text,
            limit.accepts(values[limit.figure]),
            axis=motion.axis,
        )
        for limit in limits(meter, motion)
        if motion.required
    ]
    return CommandFigures(
        motion.command, timestep, motion.required, shown, motion.axis, joint_torques(meter, tally)
    ), lines


def limits(meter: GaitMeter, motion: Motion) -> Sequence[Limit]:
    """What a required motion is held to; docs/gate.md says why."""
    own = Limit("lateral_error", high=0.025) if motion.axis == "left" else Limit("turn_error", high=0.05)
    heading = [Limit("heading_error", high=5.0)] if motion.axis == "left" else []
    return [
        Limit("survival", low=0.99),
        own,
        *heading,
        Limit("slip", high=0.05),
        Limit("torque_rms", high=meter.stall_torque / 3.0),
        *continuous_torque(meter),
        Limit("saturated", high=0.02),
        Limit("overspeed", high=0.01),
    ]
