"""The stand gate: judges how a policy stands, and how it stands again after a kick, on the native engine."""

import dataclasses
from collections.abc import Callable, Sequence

import equinox as eqx
import numpy as np

from ...env import Env
from ...errors import WildRobotError
from ...learn.networks import AbstractPolicy
from ..gate import AbstractGate, CommandFigures, GateLine, GateResult, Limit, Unasked, shortfall
from ..gate_result import continuous_torque
from ..rollout import judged_env, run_episodes
from .asked import speeds
from .figures import figures, joint_torques
from .kicks import DIRECTIONS, aim, direction_of, with_kicks
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

    def __check_init__(self) -> None:
        if not 0.0 <= self.kick_at <= self.kick_at + self.recovery < self.seconds:
            raise WildRobotError(
                f"A kick after {self.kick_at:g} s and {self.recovery:g} s to recover leave nothing of episodes "
                f"of {self.seconds:g} s to judge.",
                where="StandGate",
                hint="make `seconds` longer than `kick_at` and `recovery` together",
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
        count = self.episodes if episodes is None else episodes
        timesteps = self.timesteps if timesteps is None else timesteps
        if count < 1 or not timesteps:
            raise WildRobotError(
                f"A gate needs at least one episode and one timestep, got {count} and {timesteps}.",
                where="StandGate",
                hint="ask for more",
            )
        meter = self.meter(env)
        kicks = (*self.required, *self.reported)
        lines: list[GateLine] = []
        found: list[CommandFigures] = []
        for timestep in timesteps:
            tallies = run_episodes(
                with_kicks(judged_env(env, timestep, engine), self.kick_at),
                policy,
                meter,
                (0.0,) * len(kicks),
                count,
                self.seconds,
                progress,
                lambda state: aim(state, kicks, count),
            )
            for kick, tally in zip(kicks, tallies):
                judged = self.judge(meter, tally, kick, timestep)
                found.append(judged[0])
                lines += judged[1]
        provisional = shortfall(self.episodes, self.timesteps, count, timesteps)
        return GateResult(tuple(lines), tuple(found), count, self.seconds, provisional, "kick")

    def unasked(self, env: Env) -> tuple[Unasked, ...]:
        return tuple(dataclasses.replace(found, leaf="gate") for found in speeds(env, "the gate", (0.0,)))

    def meter(self, env: Env) -> GaitMeter:
        """What gathers the tallies: its judged samples begin when the time to recover is over."""
        return GaitMeter(env.physics.robot, self.seconds, self.kick_at + self.recovery)

    def judge(
        self, meter: GaitMeter, tally: GaitTally, kick: float, timestep: float
    ) -> tuple[CommandFigures, list[GateLine]]:
        """The figures of one kick's episodes (m/s), in the order that `aim` kicks them, and their lines."""
        gathered = figures(meter, tally, 0.0)
        moved = np.linalg.norm((tally.position - tally.start)[tally.upright], axis=-1)
        values = {name: gathered[name] for name in _KEPT if name in gathered}
        values["displacement"] = float(np.median(moved)) if moved.size else np.nan
        if kick:
            direction = np.asarray(direction_of(tally.upright.size))
            for i, name in enumerate(DIRECTIONS):
                stood = tally.upright[direction == i]
                values[f"survival_{name}"] = float(stood.mean()) if stood.size else np.nan
        required = kick in self.required
        lines = [
            GateLine(
                limit.figure,
                kick,
                timestep,
                values[limit.figure],
                limit.text,
                limit.accepts(values[limit.figure]),
                "after a kick of",
            )
            for limit in self.limits(meter)
            if required and limit.applies(kick)
        ]
        return CommandFigures(kick, timestep, required, values, joints=joint_torques(meter, tally)), lines

    def limits(self, meter: GaitMeter) -> Sequence[Limit]:
        """Every limit, for a robot with the meter's servos; `standing` ones hold where there is no kick."""
        return [
            Limit("survival", low=0.99),
            Limit("displacement", high=0.1, standing=True),
            Limit("heading_error", high=5.0, standing=True),
            Limit("feet_down", low=0.99),
            Limit("travel_speed", high=0.01),
            Limit("base_speed", high=0.03),
            Limit("tilt", high=8.0),
            Limit("slip", high=0.05),
            Limit("torque_rms", high=meter.stall_torque / 3.0),
            *continuous_torque(meter),
            Limit("saturated", high=0.02),
            Limit("overspeed", high=0.01),
        ]
