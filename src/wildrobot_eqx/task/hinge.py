"""Hinges by name, such as the pole of a cart: how near they are to an angle, however often they have turned."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .. import rotation
from ..arrays import Number, f32
from ..observe import Signals
from ..robots import Robot, joint_addresses, need_hinges
from .goals import AbstractGoal
from .posture import kernel
from .rewards import AbstractStatelessReward


def _address(robot: Robot, joint: str, asker: str) -> tuple[int, int]:
    need_hinges(robot, (joint,), asker)
    (qpos,), (dof,) = joint_addresses(robot, (joint,), asker)
    return qpos, dof


class HingeHeight(AbstractStatelessReward):
    """How high a pendulum on a hinge is: 1 at the angle `target`, 0 opposite to it, (1 + cos) / 2 in between.

    Args:
        robot: whose hinge it is.
        joint: its name in the MJCF.
        target: rad.
        weight: per second.
    """

    address: int = eqx.field(static=True)
    target: Float[Array, ""]  # rad
    weight: Float[Array, ""]

    def __init__(self, robot: Robot, joint: str, target: Number = 0.0, weight: Number = 1.0):
        self.address, _ = _address(robot, joint, "HingeHeight")
        self.target, self.weight = f32(target), f32(weight)

    def __call__(self, signals: Signals) -> Float[Array, ""]:
        return 0.5 * (1.0 + jnp.cos(signals.physics.qpos[self.address] - self.target))


class HingeStill(AbstractStatelessReward):
    """Peak 1 where a hinge rests at the angle `target`: `kernel(angle, width) * kernel(velocity, speed)`.

    Args:
        robot: whose hinge it is.
        joint: its name in the MJCF.
        width: of the peak, rad.
        speed: of the peak, rad/s.
        target: rad.
        weight: per second.
    """

    address: int = eqx.field(static=True)
    dof: int = eqx.field(static=True)
    width: Float[Array, ""]  # rad
    speed: Float[Array, ""]  # rad/s
    target: Float[Array, ""]  # rad
    weight: Float[Array, ""]

    def __init__(
        self, robot: Robot, joint: str, width: Number, speed: Number, target: Number = 0.0, weight: Number = 1.0
    ):
        self.address, self.dof = _address(robot, joint, "HingeStill")
        self.width, self.speed, self.target, self.weight = f32(width), f32(speed), f32(target), f32(weight)

    def __call__(self, signals: Signals) -> Float[Array, ""]:
        error = rotation.wrap_angle(signals.physics.qpos[self.address] - self.target)
        return kernel(error, self.width) * kernel(signals.physics.qvel[self.dof], self.speed)


class HingeAt(AbstractGoal):
    """A hinge is within `tolerance` (rad) of the angle `target` (rad), whole turns aside.

    Args:
        robot: whose hinge it is.
        joint: its name in the MJCF.
        tolerance: rad.
        target: rad.
    """

    address: int = eqx.field(static=True)
    tolerance: Float[Array, ""]  # rad
    target: Float[Array, ""]  # rad

    def __init__(self, robot: Robot, joint: str, tolerance: Number, target: Number = 0.0):
        self.address, _ = _address(robot, joint, "HingeAt")
        self.tolerance, self.target = f32(tolerance), f32(target)

    def __call__(self, signals: Signals) -> Bool[Array, ""]:
        return jnp.abs(rotation.wrap_angle(signals.physics.qpos[self.address] - self.target)) <= self.tolerance
