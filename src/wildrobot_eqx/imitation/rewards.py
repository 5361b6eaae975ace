"""Rewards for doing what a clip asks for; each peaks at 1 (the kernels of Peng et al. 2018, DeepMimic)."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .. import rotation
from ..arrays import Number, f32
from ..observe import Signals
from ..robots import DrivenJoints, Robot
from ..task import AbstractStatelessReward, kernel
from .command import ClipState


class TrackJointPositions(AbstractStatelessReward):
    """`kernel(e, width)` of the joints' root mean square distance `e` from the clip.

    Args:
        robot: whose joints they are.
        command: name of the ClipCommand in the env.
        width: of the peak, rad.
        weight: per second.
    """

    driven: DrivenJoints
    command: str = eqx.field(static=True)
    width: Float[Array, ""]  # rad
    weight: Float[Array, ""]

    def __init__(self, robot: Robot, command: str, width: Number, weight: Number = 1.0):
        self.driven, self.command, self.width, self.weight = robot.driven, command, f32(width), f32(weight)

    def __call__(self, signals: Signals) -> Float[Array, ""]:
        frame = signals.command(self.command, ClipState, self).frame
        return kernel(_rms(self.driven.positions(signals.physics.qpos) - frame.joint_pos), self.width)


class TrackJointVelocities(AbstractStatelessReward):
    """`kernel(e, width)` of the joints' root mean square difference `e` in velocity from the clip.

    Args:
        robot: whose joints they are.
        command: name of the ClipCommand in the env.
        width: of the peak, rad/s.
        weight: per second.
    """

    driven: DrivenJoints
    command: str = eqx.field(static=True)
    width: Float[Array, ""]  # rad/s
    weight: Float[Array, ""]

    def __init__(self, robot: Robot, command: str, width: Number, weight: Number = 1.0):
        self.driven, self.command, self.width, self.weight = robot.driven, command, f32(width), f32(weight)

    def __call__(self, signals: Signals) -> Float[Array, ""]:
        frame = signals.command(self.command, ClipState, self).frame
        return kernel(_rms(self.driven.velocities(signals.physics.qvel) - frame.joint_vel), self.width)


class TrackBaseHeight(AbstractStatelessReward):
    """`kernel(e, width)` of the distance `e` of the base's height from the clip's, above the plane z = 0.

    Args:
        robot: whose base it is.
        command: name of the ClipCommand in the env.
        width: of the peak, m.
        weight: per second.
    """

    body: int = eqx.field(static=True)
    command: str = eqx.field(static=True)
    width: Float[Array, ""]  # m
    weight: Float[Array, ""]

    def __init__(self, robot: Robot, command: str, width: Number, weight: Number = 1.0):
        self.body, self.command = robot.need("base", "TrackBaseHeight").body, command
        self.width, self.weight = f32(width), f32(weight)

    def __call__(self, signals: Signals) -> Float[Array, ""]:
        frame = signals.command(self.command, ClipState, self).frame
        return kernel(signals.physics.xpos[self.body, 2] - frame.base_pos[2], self.width)


class TrackBaseTilt(AbstractStatelessReward):
    """`kernel(e, width)` of the distance `e` of the base's up direction from the clip's, whatever the heading.

    Both are seen from the base, so `e` is twice the sine of half the angle between them.

    Args:
        robot: whose base it is.
        command: name of the ClipCommand in the env.
        width: of the peak, rad.
        weight: per second.
    """

    body: int = eqx.field(static=True)
    command: str = eqx.field(static=True)
    width: Float[Array, ""]  # rad
    weight: Float[Array, ""]

    def __init__(self, robot: Robot, command: str, width: Number, weight: Number = 1.0):
        self.body, self.command = robot.need("base", "TrackBaseTilt").body, command
        self.width, self.weight = f32(width), f32(weight)

    def __call__(self, signals: Signals) -> Float[Array, ""]:
        frame = signals.command(self.command, ClipState, self).frame
        up = jnp.array([0.0, 0.0, 1.0], jnp.float32)
        error = rotation.rotate_inverse(signals.physics.xquat[self.body], up)
        error = error - rotation.rotate_inverse(frame.base_quat, up)
        return kernel(jnp.sqrt(jnp.sum(jnp.square(error))), self.width)


def _rms(error: Float[Array, " n"]) -> Float[Array, ""]:
    return jnp.sqrt(jnp.mean(jnp.square(error)))
