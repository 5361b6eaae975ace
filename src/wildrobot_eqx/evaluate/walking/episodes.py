"""Judged episodes of walking: what is asked for in words of a velocity command, and what is measured of one robot."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ...env import Env, EnvState, Timestep
from ...learn.networks import AbstractPolicy
from ...locomotion import VelocityCommand, velocity_of
from ...robots import Robot
from ..meter import AbstractMeter, Case
from ..rollout import hold_commands, run_cases
from .figures import figures, joint_torques
from .measure import Measurement, measure
from .meter import GaitMeter, GaitTally


def with_command(env: Env, speed: Float[Array, ""], motion: Float[Array, " 2"] | None = None) -> Env:
    """The env with one commanded speed (m/s), 0 meaning: stand; only array leaves change.

    `motion` is the lateral speed (m/s) and the turn (rad/s) beside it, where the env's command has such channels.
    """
    name, command = velocity_of(env.commands)
    return hold_commands(env, {name: channel_values(command, speed, motion)})


def channel_values(
    command: VelocityCommand, speed: Float[Array, ""], motion: Float[Array, " 2"] | None = None
) -> Float[Array, " channels"]:
    """A speed ahead (m/s), and a lateral speed (m/s) and a turn (rad/s) beside it, by the command's channels."""
    lateral, turn = jnp.zeros((2,), jnp.float32) if motion is None else motion
    known = {"lin_vel_x": speed, "lin_vel_y": lateral, "ang_vel_z": turn}
    return jnp.stack([known[channel.name] for channel in command.channels])


def velocity_values(env: Env, speed: float, lateral: float = 0.0, turn: float = 0.0) -> dict[str, tuple[float, ...]]:
    """A case's values: speeds ahead and to the left (m/s) and a turn (rad/s), as far as the command has channels."""
    name, command = velocity_of(env.commands)
    known = {"lin_vel_x": speed, "lin_vel_y": lateral, "ang_vel_z": turn}
    return {name: tuple(known[channel.name] for channel in command.channels)}


def measured(env: Env) -> Callable[[EnvState, Timestep], Measurement]:
    """What is measured of one robot of the env, on the ground that its episodes begin on."""
    return lambda state, timestep: measure(env.physics.robot, state, timestep, env.physics.robot.ground)


def speed_figures(gait: GaitMeter, tally: GaitTally, case: Case) -> dict[str, float]:
    """Those of a commanded speed, m/s: the number of the case."""
    return figures(gait, tally, case.command or 0.0)


class WalkMeter(AbstractMeter):
    """Measures one robot, on the ground that its episodes begin on, and gathers a `GaitTally`.

    Args:
        gait: begins and carries on the tally.
        robot: whose sensors are read.
        of_case: the figures of a case's tally.
    """

    gait: GaitMeter
    robot: Robot
    of_case: Callable[[GaitMeter, GaitTally, Case], dict[str, float]] = eqx.field(static=True, default=speed_figures)
    lasting = "upright"

    def init(self, state: EnvState, timestep: Timestep) -> GaitTally:
        return self.gait.init(measure(self.robot, state, timestep, self.robot.ground))

    def step(self, tally: GaitTally, state: EnvState, timestep: Timestep) -> GaitTally:
        return self.gait.step(tally, measure(self.robot, state, timestep, self.robot.ground))

    def running(self, tally: GaitTally) -> Bool[Array, ""]:
        return tally.upright

    def figures(self, tally: GaitTally, case: Case) -> dict[str, float]:
        return self.of_case(self.gait, tally, case)

    def joints(self, tally: GaitTally) -> dict[str, dict[str, float]]:
        return joint_torques(self.gait, tally)


def run_episodes(
    env: Env,
    policy: AbstractPolicy,
    meter: GaitMeter,
    speeds: tuple[float, ...],
    episodes: int,
    seconds: float,
    label: str = "",
    motions: tuple[tuple[float, float], ...] | None = None,
    vary: Callable[[Env, Any], Env] | None = None,
    rows: Any = None,
) -> list[GaitTally]:
    """Run `episodes` of `seconds` for each commanded speed (m/s), and tally each, as `run_cases` does.

    `motions` are the lateral speed (m/s) and the turn (rad/s) beside each speed; none if None.
    """
    beside = ((0.0, 0.0),) * len(speeds) if motions is None else motions
    cases = [Case(f"{v:g}", velocity_values(env, v, *motion)) for v, motion in zip(speeds, beside)]
    whole = WalkMeter(meter, env.physics.robot)
    return run_cases(env, policy, whole, cases, episodes, seconds, label, vary, rows)
