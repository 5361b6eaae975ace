"""The walk gate: judges a policy's walk on the native engine."""

from typing import Any, Literal

import equinox as eqx

from ...env import Env
from ...errors import WildRobotError
from ...locomotion import gait_of
from ..gate import (
    AbstractGate,
    Case,
    CommandFigures,
    GateLine,
    Limit,
    Unasked,
    judge_case,
    shortfall,
)
from .asked import beside, speeds
from .episodes import WalkMeter, speed_figures, velocity_values
from .figures import figures, joint_torques
from .limits import effort, of_length, of_speed, of_the_gait
from .meter import GaitMeter, GaitTally
from .motions import Motion, limits, motion_cases, motion_figures

_STRIDES = 0.0479664  # of sqrt(g L), from which speed on the feet must swing high
_REQUIRED = (0.0, 2 / 13, 4 / 13, 6 / 13, 8 / 13)  # shares of the fastest command
_REPORTED = (10 / 13, 12 / 13)


class WalkGate(AbstractGate):
    """The walk gate: commanded speeds, held for `seconds` each, judged after `warmup`. docs/gate.md has the lines.

    Limits follow from the robot's leg length, weight and servos; speeds are given in m/s, or
    by `up_to` as shares of the fastest.
    """

    required: tuple[float, ...] = eqx.field(static=True, default=(0.0, 0.1, 0.2, 0.3, 0.4))  # m/s
    reported: tuple[float, ...] = eqx.field(static=True, default=(0.5, 0.6))  # m/s
    episodes: int = eqx.field(static=True, default=256)
    seconds: float = eqx.field(static=True, default=20.0)
    warmup: float = eqx.field(static=True, default=3.0)
    timesteps: tuple[float, ...] = eqx.field(static=True, default=(0.005, 0.002))  # s
    motions: tuple[Motion, ...] = eqx.field(static=True, default=())  # sideways and turning, beside the speeds
    columns = "command"

    def __check_init__(self) -> None:
        if not 0.0 <= self.warmup < self.seconds:
            raise WildRobotError(
                f"A warm-up of {self.warmup:g} s leaves nothing of episodes of {self.seconds:g} s to judge.",
                where="WalkGate",
                hint="make `seconds` longer than `warmup`",
            )

    @staticmethod
    def up_to(fastest: float) -> "WalkGate":
        """The gate of a robot whose fastest command is `fastest`, m/s: it stands, and walks at shares of that.

        Required are 0, 2, 4, 6 and 8 thirteenths, reported 10 and 12, rounded to two significant digits.
        """
        required, reported = (tuple(float(f"{s * fastest:.2g}") for s in shares) for shares in (_REQUIRED, _REPORTED))
        return WalkGate(required=required, reported=reported)

    def cases(self, env: Env) -> tuple[Case, ...]:
        """The speeds, then the motions, in a batch of their own."""
        speeds = tuple(self._case(v, velocity_values(env, v)) for v in (*self.required, *self.reported))
        return (*speeds, *motion_cases(env, self.motions))

    def meter(self, env: Env) -> WalkMeter:
        """What gathers the tallies: its judged samples begin after the warm-up."""
        robot = env.physics.robot
        gait = gait_of(env.commands)
        return WalkMeter(GaitMeter(robot, self.seconds, self.warmup, gait and gait[1]), robot, _figures)

    def limits(self, env: Env) -> tuple[Limit, ...]:
        """Every limit, for a robot with the env's feet and servos."""
        gait = self.meter(env).gait
        motions = [limit for motion in self.motions if motion.required for limit in limits(gait, motion)]
        return (*self.speed_limits(gait), *motions)

    def unasked(self, env: Env) -> tuple[Unasked, ...]:
        motions = [(motion.axis, motion.command, motion.required) for motion in self.motions]
        return (*speeds(env, "required", self.required), *beside(env, motions))

    def describe(self) -> dict[str, Any]:
        motions = [{"axis": motion.axis, "command": motion.command} for motion in self.motions if motion.required]
        return {
            "judge": "WalkGate",
            "required": list(self.required),
            "seconds": self.seconds,
            "warmup": self.warmup,
            "motions": motions,
        }

    def provisional(self, episodes: int, timesteps: tuple[float, ...]) -> str:
        """What of the gate's own episodes and timesteps was run, where it was not all; else nothing."""
        return shortfall(self.episodes, self.timesteps, episodes, timesteps)

    def judge(
        self, meter: GaitMeter, tally: GaitTally, command: float, timestep: float
    ) -> tuple[CommandFigures, list[GateLine]]:
        """The figures of one command's episodes, and the lines that they are held to."""
        case, joints = self._case(command, {}), joint_torques(meter, tally)
        return judge_case(case, figures(meter, tally, command), self.speed_limits(meter), timestep, joints)

    def _case(self, speed: float, values: dict[str, tuple[float, ...]]) -> Case:
        return Case(f"{speed:g}", values, speed in self.required, f"{speed:g} m/s" if speed else "stand", command=speed)

    def speed_limits(self, meter: GaitMeter) -> tuple[Limit, ...]:
        """What the speeds are held to, for a robot with the meter's sizes, feet and servos."""
        every = tuple(f"{v:g}" for v in self.required)
        still = tuple(f"{v:g}" for v in self.required if v == 0.0 and meter.rests)
        moving = tuple(f"{v:g}" for v in self.required if v != 0.0)
        scales = meter.scales
        slowest = 0.95 * _STRIDES * scales.speed
        striding = tuple(f"{v:g}" for v in self.required if v != 0.0 and abs(v) >= slowest)
        high = of_length(0.0677119, scales)
        peaks = [Limit(f"swing_peak_{foot}", low=high, cases=striding) for foot in meter.feet]
        two_sides = 0 < len(meter.left) < len(meter.feet)
        symmetry = [Limit("swing_ratio", 0.8, 1.25, cases=moving)] if two_sides else []
        return (
            Limit("survival", low=0.99, cases=every),
            Limit("speed_error", high=of_speed(0.0119916, scales), cases=every),
            Limit("drift", high=of_speed(0.00479664 * self.seconds, scales), cases=every),
            Limit("heading_error", high=5.0, cases=every),
            *peaks,
            Limit("feet_down", low=0.99, cases=still),
            Limit("travel_speed", high=of_speed(0.00479664, scales), cases=still),
            Limit("pitch", -8.0, 8.0, cases=every),
            *symmetry,
            *of_the_gait(meter, moving),
            *effort(meter, every),
        )


def _figures(gait: GaitMeter, tally: GaitTally, case: Case) -> dict[str, float]:
    """Those of a speed ahead, or of a motion."""
    if not case.axis:
        return speed_figures(gait, tally, case)
    axis: Literal["left", "turn"] = "left" if case.axis == "left" else "turn"
    return motion_figures(gait, tally, Motion(axis, case.command or 0.0))
