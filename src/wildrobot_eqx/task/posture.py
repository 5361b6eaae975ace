"""Rewards that any robot with joints may earn."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..arrays import Number, f32
from ..errors import WildRobotError, nearest
from ..observe import Signals
from ..robots import DrivenJoints, Ground, Robot, above
from .rewards import AbstractStatelessReward


def kernel(error: Float[Array, "*n"], width: Float[Array, ""]) -> Float[Array, "*n"]:
    """Peak 1 at no error, 1/e at `width`: exp(-(error / width)^2)."""
    return jnp.exp(-jnp.square(error / width))


class FlatOrientation(AbstractStatelessReward):
    """Squared horizontal part of gravity in the base: sin^2 of the tilt."""

    body: int = eqx.field(static=True)
    weight: Float[Array, ""]

    def __init__(self, robot: Robot, weight: Number = -2.0):
        self.body, self.weight = robot.need("base", type(self).__name__).body, f32(weight)

    def __call__(self, signals: Signals) -> Float[Array, ""]:
        _, x, y, _ = signals.physics.xquat[self.body]
        up = 1.0 - 2.0 * (x * x + y * y)
        return 1.0 - jnp.square(up)


class BaseHeightError(AbstractStatelessReward):
    """Squared error of the base's height above the `ground` against the home pose's, m^2."""

    body: int = eqx.field(static=True)
    weight: Float[Array, ""]
    height: Float[Array, ""]  # m
    ground: Ground | None

    def __init__(
        self, robot: Robot, weight: Number = -20.0, height: Number | None = None, ground: Ground | None = None
    ):
        self.body, self.weight, self.ground = robot.need("base", type(self).__name__).body, f32(weight), ground
        self.height = robot.home_height if height is None else f32(height)

    def __call__(self, signals: Signals) -> Float[Array, ""]:
        return jnp.square(above(self.ground, signals.physics.xpos[self.body]) - self.height)


class ActionRate(AbstractStatelessReward):
    """Squared change of the action since the last control step."""

    weight: Float[Array, ""]

    def __init__(self, weight: Number = -0.05):
        self.weight = f32(weight)

    def __call__(self, signals: Signals) -> Float[Array, ""]:
        return jnp.sum(jnp.square(signals.action - signals.previous_action))


class Torque(AbstractStatelessReward):
    """Sum of squared actuator torques, (N m)^2."""

    weight: Float[Array, ""]

    def __init__(self, weight: Number = -0.02):
        self.weight = f32(weight)

    def __call__(self, signals: Signals) -> Float[Array, ""]:
        return jnp.sum(jnp.square(signals.physics.actuator_force))


class JointSpeedLimit(AbstractStatelessReward):
    """Squared joint speed beyond a fraction of the servo's no-load speed, (rad/s)^2."""

    driven: DrivenJoints
    weight: Float[Array, ""]
    limit: Float[Array, " nu"]  # rad/s

    def __init__(self, robot: Robot, weight: Number = -0.05, fraction: float = 0.8):
        self.driven, self.weight = robot.driven, f32(weight)
        self.limit = f32(fraction * robot.servo.no_load_speed)

    def __call__(self, signals: Signals) -> Float[Array, ""]:
        speed = jnp.abs(self.driven.velocities(signals.physics.qvel))
        return jnp.sum(jnp.square(jnp.maximum(speed - self.limit, 0.0)))


class Posture(AbstractStatelessReward):
    """Squared distance of some joints, or of all, from the home pose, rad^2.

    Raises:
        WildRobotError: the robot has no joint of a given name.
    """

    driven: DrivenJoints
    weight: Float[Array, ""]
    mask: Float[Array, " nu"]

    def __init__(self, robot: Robot, weight: Number = -0.5, joints: tuple[str, ...] | None = None):
        self.driven, self.weight = robot.driven, f32(weight)
        joints = robot.joint_names if joints is None else joints
        for name in joints:
            if name not in robot.joint_names:
                raise WildRobotError(
                    f"Robot {robot.name!r} has no joint {name!r}.",
                    where="Posture, joints",
                    hint=nearest(name, robot.joint_names),
                )
        self.mask = f32([float(name in joints) for name in robot.joint_names])

    def __call__(self, signals: Signals) -> Float[Array, ""]:
        error = self.driven.positions(signals.physics.qpos) - self.driven.home
        return jnp.sum(self.mask * jnp.square(error))


class Alive(AbstractStatelessReward):
    """1 for every second without a fall."""

    weight: Float[Array, ""]

    def __init__(self, weight: Number = 1.0):
        self.weight = f32(weight)

    def __call__(self, signals: Signals) -> Float[Array, ""]:
        return jnp.ones((), jnp.float32)
