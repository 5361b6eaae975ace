"""The stand gate: judges how a policy stands, and how it stands again after a kick, on the native engine."""

import dataclasses
from typing import Any

import equinox as eqx
import numpy as np

from ...env import Env
from ...errors import WildRobotError
from ..gate import AbstractGate, Case, CommandFigures, GateLine, Limit, Unasked, judge_case
from .asked import speeds
from .episodes import WalkMeter, velocity_values
from .figures import figures, joint_torques
from .kicks import DIRECTIONS, Kick, aim, direction_of, kicked, with_kicks
from .limits import effort, of_length, of_speed
from .meter import GaitMeter, GaitTally

_KEPT = (
    "survival",
    "heading_error",
    "feet_down",
    "travel_speed",
    "pitch",
    "tilt",
    "base_speed",
    "slip",
    "torque_rms",
    "torque_rms_share",
    "torque_peak_share",
    "joint_torque_share",
    "joint_torque_continuous",
    "saturated",
    "overspeed",
    "action_rate",
)


class StandGate(AbstractGate):
    """The stand gate: one kick per episode, `recovery` seconds later it must stand. docs/gate.md has the lines.

    The command is to stand. A kick of 0 m/s is none.
    """

    required: tuple[float, ...] = eqx.field(static=True, default=(0.0, 0.5, 0.8))  # m/s
    reported: tuple[float, ...] = eqx.field(static=True, default=(1.0,))  # m/s
    episodes: int = eqx.field(static=True, default=256)
    seconds: float = eqx.field(static=True, default=10.0)
    kick_at: float = eqx.field(static=True, default=3.0)  # s
    recovery: float = eqx.field(static=True, default=3.0)  # s
    timesteps: tuple[float, ...] = eqx.field(static=True, default=(0.005, 0.002))  # s
    columns = "kick"

    def __check_init__(self) -> None:
        if not 0.0 <= self.kick_at <= self.kick_at + self.recovery < self.seconds:
            raise WildRobotError(
                f"A kick after {self.kick_at:g} s and {self.recovery:g} s to recover leave nothing of episodes "
                f"of {self.seconds:g} s to judge.",
                where="StandGate",
                hint="make `seconds` longer than `kick_at` and `recovery` together",
            )

    def cases(self, env: Env) -> tuple[Case, ...]:
        """The kicks; the command is to stand."""
        stand = velocity_values(env, 0.0)
        return tuple(dataclasses.replace(self._case(kick), values=stand) for kick in (*self.required, *self.reported))

    def limits(self, env: Env) -> tuple[Limit, ...]:
        """Every limit, for a robot with the env's servos."""
        return self.kick_limits(self.meter(env).gait)

    def prepare(self, env: Env) -> Env:
        return with_kicks(env, self.kick_at)

    def rows(self, cases: tuple[Case, ...], episodes: int) -> Kick:
        return aim(tuple(case.command or 0.0 for case in cases), episodes)

    def vary(self, env: Env, row: Kick) -> Env:
        return kicked(env, row)

    def describe(self) -> dict[str, Any]:
        return {
            "judge": "StandGate",
            "required": list(self.required),
            "seconds": self.seconds,
            "warmup": self.kick_at + self.recovery,
            "kick_at": self.kick_at,
            "recovery": self.recovery,
        }

    def unasked(self, env: Env) -> tuple[Unasked, ...]:
        return tuple(dataclasses.replace(found, leaf="gate") for found in speeds(env, "the gate", (0.0,)))

    def meter(self, env: Env) -> WalkMeter:
        """What gathers the tallies: its judged samples begin when the time to recover is over."""
        robot = env.physics.robot
        return WalkMeter(GaitMeter(robot, self.seconds, self.kick_at + self.recovery), robot, _figures)

    def judge(
        self, meter: GaitMeter, tally: GaitTally, kick: float, timestep: float
    ) -> tuple[CommandFigures, list[GateLine]]:
        """The figures of one kick's episodes (m/s), in the order that `aim` kicks them, and their lines."""
        values, joints = kick_figures(meter, tally, kick), joint_torques(meter, tally)
        return judge_case(self._case(kick), values, self.kick_limits(meter), timestep, joints)

    def _case(self, kick: float) -> Case:
        label = f"kick {kick:g} m/s" if kick else "no kick"
        return Case(f"{kick:g}", {}, kick in self.required, label, "after a kick of", kick)

    def kick_limits(self, meter: GaitMeter) -> tuple[Limit, ...]:
        """What required kicks are held to, for a robot with the meter's sizes and servos."""
        scales = meter.scales
        every = tuple(f"{kick:g}" for kick in self.required)
        still = tuple(f"{kick:g}" for kick in self.required if kick == 0.0)
        return (
            Limit("survival", low=0.99, cases=every),
            Limit("displacement", high=of_length(0.225706, scales), cases=still),
            Limit("heading_error", high=5.0, cases=still),
            Limit("feet_down", low=0.99, cases=every),
            Limit("travel_speed", high=of_speed(0.00479664, scales), cases=every),
            Limit("base_speed", high=of_speed(0.0143899, scales), cases=every),
            Limit("tilt", high=8.0, cases=every),
            *effort(meter, every),
        )


def kick_figures(meter: GaitMeter, tally: GaitTally, kick: float) -> dict[str, float]:
    """What is shown of the episodes of one kick (m/s), in the order that `aim` kicks them."""
    gathered = figures(meter, tally, 0.0)
    moved = np.linalg.norm((tally.position - tally.start)[tally.upright], axis=-1)
    values = {name: gathered[name] for name in _KEPT if name in gathered}
    values["displacement"] = float(np.median(moved)) if moved.size else np.nan
    if kick:
        direction = np.asarray(direction_of(tally.upright.size))
        for i, name in enumerate(DIRECTIONS):
            stood = tally.upright[direction == i]
            values[f"survival_{name}"] = float(stood.mean()) if stood.size else np.nan
    return values


def _figures(gait: GaitMeter, tally: GaitTally, case: Case) -> dict[str, float]:
    return kick_figures(gait, tally, case.command or 0.0)
