"""The walk gate: judges a policy's walk on the native engine."""

from collections.abc import Callable, Sequence

import equinox as eqx

from ...env import Env
from ...errors import WildRobotError
from ...learn.networks import AbstractPolicy
from ..gate import AbstractGate, CommandFigures, GateLine, GateResult, Limit, Unasked, shortfall
from ..gate_result import continuous_torque
from ..rollout import judged_env, run_episodes
from .asked import beside, speeds
from .figures import figures, joint_torques
from .meter import GaitMeter, GaitTally
from .motions import Motion, judge_motions


class WalkGate(AbstractGate):
    """The walk gate: commanded speeds, held for `seconds` each, judged after `warmup`. docs/gate.md has the lines."""

    required: tuple[float, ...] = eqx.field(static=True, default=(0.0, 0.1, 0.2, 0.3, 0.4))  # m/s
    reported: tuple[float, ...] = eqx.field(static=True, default=(0.5, 0.6))  # m/s
    episodes: int = eqx.field(static=True, default=256)
    seconds: float = eqx.field(static=True, default=20.0)
    warmup: float = eqx.field(static=True, default=3.0)
    timesteps: tuple[float, ...] = eqx.field(static=True, default=(0.005, 0.002))  # s
    motions: tuple[Motion, ...] = eqx.field(static=True, default=())  # sideways and turning, beside the speeds

    def __check_init__(self) -> None:
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
        commands = (*self.required, *self.reported)
        lines: list[GateLine] = []
        found: list[CommandFigures] = []
        for timestep in timesteps:
            judged = judged_env(env, timestep, engine)
            tallies = run_episodes(judged, policy, meter, commands, episodes, self.seconds, progress)
            for speed, tally in zip(commands, tallies):
                shown, held = self.judge(meter, tally, speed, timestep)
                found.append(shown)
                lines += held
            if self.motions:
                sideways, held = judge_motions(judged, policy, meter, self.motions, episodes, self.seconds, progress)
                found += sideways
                lines += held
        provisional = self.provisional(episodes, timesteps)
        return GateResult(tuple(lines), tuple(found), episodes, self.seconds, provisional)

    def unasked(self, env: Env) -> tuple[Unasked, ...]:
        motions = [(motion.axis, motion.command, motion.required) for motion in self.motions]
        return (*speeds(env, "required", self.required), *beside(env, motions))

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
        return CommandFigures(command, timestep, required, values, joints=joint_torques(meter, tally)), lines

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
            *continuous_torque(meter),
            Limit("saturated", high=0.02),
            Limit("overspeed", high=0.01),
        ]
