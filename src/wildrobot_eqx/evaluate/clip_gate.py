"""The clip gate: does the robot do what a motion clip asks for, over all of it, without a fall?"""

import dataclasses
from collections.abc import Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from ..env import Disturbances, Env, EnvState, Timestep
from ..errors import WildRobotError, nearest
from ..imitation import ClipCommand, ClipState
from ..robots import Robot
from ..task import AbstractEvent
from .gate import AbstractGate, AbstractMeter, Case, Figure, Limit

_DEGREES = 180.0 / np.pi
_SHOWN = {
    "joint_error": Figure("joint error", "deg", _DEGREES, 2),
    "worst_joint_error": Figure("error of the worst joint", "deg", _DEGREES, 2),
    "tilt_error": Figure("base tilt error", "deg", _DEGREES, 2),
    "survival": Figure("survival", "%", 100.0, 1),
}


class ClipTally(eqx.Module):
    """The running statistics of one episode."""

    running: Bool[Array, "*batch"]  # neither failed nor broken
    steps: Int[Array, "*batch"]
    joints: Float[Array, "*batch nu"]  # rad, sum of each joint's distance from the clip
    tilt: Float[Array, "*batch"]  # rad, sum of the base's


class ClipMeter(AbstractMeter):
    """Sums how far joints and base are from what a `ClipCommand` asks for, until an episode fails.

    Args:
        robot: whose joints they are.
        command: name of the ClipCommand in the env.
    """

    robot: Robot
    command: str = eqx.field(static=True)

    def init(self, state: EnvState, timestep: Timestep) -> ClipTally:
        zero = jnp.zeros((), jnp.float32)
        return ClipTally(~timestep.terminated, jnp.zeros((), jnp.int32), jnp.zeros((self.robot.nu,), jnp.float32), zero)

    def step(self, tally: ClipTally, state: EnvState, timestep: Timestep) -> ClipTally:
        clip: ClipState = state.commands[self.command]
        joints = jnp.abs(self.robot.joints(state.physics.qpos) - clip.frame.joint_pos)
        tilt = self._tilt(state, clip)
        finite = jnp.all(jnp.isfinite(joints)) & jnp.isfinite(tilt) & jnp.all(jnp.isfinite(state.physics.qvel))
        running = tally.running & finite & ~timestep.terminated
        new = ClipTally(running, tally.steps + 1, tally.joints + joints, tally.tilt + tilt)
        merged = jax.tree.map(lambda after, before: jnp.where(running, after, before), new, tally)
        return eqx.tree_at(lambda t: t.running, merged, running)

    def running(self, tally: ClipTally) -> Bool[Array, ""]:
        return tally.running

    def figures(self, tally: ClipTally, case: Case) -> dict[str, float]:
        steps = int(tally.steps.sum())
        joints = tally.joints.sum(axis=0) / steps if steps else np.full(tally.joints.shape[-1], np.nan)
        return {
            "joint_error": float(np.mean(joints)),
            "worst_joint_error": float(np.max(joints)),
            "tilt_error": float(tally.tilt.sum() / steps) if steps else np.nan,
            "survival": float(np.mean(tally.running)),
        }

    def shown(self) -> dict[str, Figure]:
        return _SHOWN

    def _tilt(self, state: EnvState, clip: ClipState) -> Float[Array, ""]:
        """The angle between the base's up direction and the clip's, seen from the base, rad; 0 without a base."""
        if self.robot.base is None:
            return jnp.zeros((), jnp.float32)
        up, clip_up = (_up(quat) for quat in (state.physics.xquat[self.robot.base.body], clip.frame.base_quat))
        return jnp.arctan2(jnp.linalg.norm(jnp.cross(up, clip_up)), up @ clip_up)


def _up(quat: Float[Array, " 4"]) -> Float[Array, " 3"]:
    """The world's up direction in the frame of a body."""
    w, x, y, z = quat
    return jnp.stack([2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)])


class ClipGate(AbstractGate):
    """Over a whole clip the joints are near to it in the mean, and the robot does not fall.

    Two cases: all episodes begin at the first frame, or each where the env begins it.

    Args:
        seconds: length of an episode, s, such as the clip's duration.
        command: name of the ClipCommand in the env.
        joint_error: the greatest mean distance of the joints from the clip, rad.
        survival: fraction of the episodes that must end without a failure.
        events: of each episode by name, such as kicks; none by default.
        episodes: how many per case and timestep.
        timesteps: of physics, s.
    """

    command: str = eqx.field(static=True)
    seconds: float = eqx.field(static=True)  # s
    joint_error: float = eqx.field(static=True)  # rad
    survival: float = eqx.field(static=True)
    events: dict[str, AbstractEvent]
    episodes: int = eqx.field(static=True)
    timesteps: tuple[float, ...] = eqx.field(static=True)  # s

    def __init__(
        self,
        seconds: float,
        command: str = "clip",
        joint_error: float = float(np.deg2rad(5.0)),
        survival: float = 1.0,
        events: Mapping[str, AbstractEvent] | None = None,
        episodes: int = 256,
        timesteps: tuple[float, ...] = (0.005, 0.002),
    ):
        if not seconds > 0.0:
            raise WildRobotError(
                f"An episode of {seconds:g} s judges nothing.", where="ClipGate, seconds", hint="float(clip.duration)"
            )
        self.seconds, self.command, self.joint_error, self.survival = seconds, command, joint_error, survival
        self.events, self.episodes, self.timesteps = dict(events or {}), episodes, timesteps

    def cases(self, env: Env) -> tuple[Case, ...]:
        """From the first frame at the recorded speed, and as the env draws.

        Raises:
            WildRobotError: the env has no ClipCommand of that name.
        """
        self._find(env)
        return (
            Case("from the start", {self.command: (1.0,)}, when=""),
            Case("from anywhere", when="", batch=1),
        )

    def meter(self, env: Env) -> ClipMeter:
        """What sums the distances from the clip."""
        return ClipMeter(env.physics.robot, self.command)

    def limits(self, env: Env) -> tuple[Limit, ...]:
        """Joint error and survival."""
        return Limit("joint_error", high=self.joint_error), Limit("survival", low=self.survival)

    def prepare(self, env: Env) -> Env:
        if not self.events:
            return env
        disturbances = Disturbances() if env.disturbances is None else env.disturbances
        return dataclasses.replace(env, disturbances=dataclasses.replace(disturbances, events=self.events))

    def _find(self, env: Env) -> ClipCommand:
        command = env.commands.get(self.command)
        if not isinstance(command, ClipCommand):
            raise WildRobotError(
                f"ClipGate judges a ClipCommand {self.command!r}, which the env does not have.",
                where="env.commands",
                hint=nearest(self.command, env.commands),
            )
        return command
