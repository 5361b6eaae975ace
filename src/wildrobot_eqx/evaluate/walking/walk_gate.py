"""The walk gate: judges a policy's walk on the native engine."""

from typing import Any, Literal

import equinox as eqx

from ...env import Env
from ...errors import WildRobotError
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
from .limits import effort
from .meter import GaitMeter, GaitTally
from .motions import Motion, limits, motion_cases, motion_figures

_STRIDES = 0.1  # m/s, from which on the feet must swing high


class WalkGate(AbstractGate):
    """The walk gate: commanded speeds, held for `seconds` each, judged after `warmup`. docs/gate.md has the lines."""

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

    def cases(self, env: Env) -> tuple[Case, ...]:
        """The speeds, then the motions, in a batch of their own."""
        speeds = tuple(self._case(v, velocity_values(env, v)) for v in (*self.required, *self.reported))
        return (*speeds, *motion_cases(env, self.motions))

    def meter(self, env: Env) -> WalkMeter:
        """What gathers the tallies: its judged samples begin after the warm-up."""
        robot = env.physics.robot
        return WalkMeter(GaitMeter(robot, self.seconds, self.warmup), robot, _figures)

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
        """What the speeds are held to, for a robot with the meter's feet and servos."""
        every = tuple(f"{v:g}" for v in self.required)
        still = tuple(f"{v:g}" for v in self.required if v == 0.0)
        moving = tuple(f"{v:g}" for v in self.required if v != 0.0)
        striding = tuple(f"{v:g}" for v in self.required if v != 0.0 and abs(v) >= _STRIDES - 1e-9)
        peaks = [Limit(f"swing_peak_{foot}", low=0.03, cases=striding) for foot in meter.feet]
        symmetry = [Limit("swing_ratio", 0.8, 1.25, cases=moving)] if len(meter.feet) == 2 else []
        return (
            Limit("survival", low=0.99, cases=every),
            Limit("speed_error", high=0.025, cases=every),
            Limit("drift", high=0.2, cases=every),
            Limit("heading_error", high=5.0, cases=every),
            *peaks,
            Limit("feet_down", low=0.99, cases=still),
            Limit("travel_speed", high=0.01, cases=still),
            Limit("pitch", -8.0, 8.0, cases=every),
            *symmetry,
            *effort(meter, every),
        )


def _figures(gait: GaitMeter, tally: GaitTally, case: Case) -> dict[str, float]:
    """Those of a speed ahead, or of a motion."""
    if not case.axis:
        return speed_figures(gait, tally, case)
    axis: Literal["left", "turn"] = "left" if case.axis == "left" else "turn"
    return motion_figures(gait, tally, Motion(axis, case.command or 0.0))
