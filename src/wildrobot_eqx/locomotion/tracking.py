"""Rewards of tracking a velocity command."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .. import rotation
from ..arrays import Number, f32
from ..observe import Signals
from ..robots import Robot, Sensor
from ..task import AbstractStatelessReward, kernel
from .velocity import VelocityState


def speed_width(robot: Robot) -> float:
    """The error of a speed (m/s) at which tracking pays 1/e: 0.0933 of sqrt(g L), the speed of Froude number 1."""
    return 0.0933 * robot.leg_length / robot.time_scale


def _tracked(error: Float[Array, ""], width: Float[Array, ""], slope: Float[Array, ""]) -> Float[Array, ""]:
    """`exp(-(error / width)^2) - slope |error|`: near the goal the kernel pulls, far from it the slope."""
    return kernel(error, width) - slope * jnp.abs(error)


class TrackLinVelX(AbstractStatelessReward):
    """Forward speed as commanded: a kernel, plus a straight slope that still pulls far from the goal."""

    linvel: Sensor
    command: str = eqx.field(static=True)
    weight: Float[Array, ""]
    width: Float[Array, ""]  # m/s
    slope: Float[Array, ""]  # per m/s

    def __init__(
        self,
        robot: Robot,
        weight: Number = 2.0,
        width: Number | None = None,
        slope: Number = 0.0,
        command: str = "velocity",
    ):
        self.linvel, self.command, self.weight = robot.need("base.linvel", type(self).__name__), command, f32(weight)
        self.width, self.slope = f32(speed_width(robot) if width is None else width), f32(slope)

    def __call__(self, signals: Signals) -> Float[Array, ""]:
        command = signals.command(self.command, VelocityState, self)
        velocity = command.heading_frame(self.linvel.read(signals.physics.sensordata))
        error = velocity[0] - command.lin_vel_x
        return _tracked(error, self.width, self.slope)


class TrackLinVelY(AbstractStatelessReward):
    """Sideways velocity as commanded, none where none is, in the commanded heading's frame; as `TrackLinVelX`."""

    linvel: Sensor
    command: str = eqx.field(static=True)
    weight: Float[Array, ""]
    width: Float[Array, ""]  # m/s
    slope: Float[Array, ""]  # per m/s

    def __init__(
        self,
        robot: Robot,
        weight: Number = 0.5,
        width: Number | None = None,
        slope: Number = 0.0,
        command: str = "velocity",
    ):
        self.linvel, self.command, self.weight = robot.need("base.linvel", type(self).__name__), command, f32(weight)
        self.width = f32(speed_width(robot) if width is None else width)
        self.slope = f32(slope)

    def __call__(self, signals: Signals) -> Float[Array, ""]:
        command = signals.command(self.command, VelocityState, self)
        error = command.heading_frame(self.linvel.read(signals.physics.sensordata))[1]
        if command.lin_vel_y is not None:
            error = error - command.lin_vel_y
        return _tracked(error, self.width, self.slope)


class TrackAngVelZ(AbstractStatelessReward):
    """Yaw rate as commanded: the heading hold's, and a turn's; as `TrackLinVelX`."""

    angvel: Sensor
    command: str = eqx.field(static=True)
    weight: Float[Array, ""]
    width: Float[Array, ""]  # rad/s
    slope: Float[Array, ""]  # per rad/s

    def __init__(
        self,
        robot: Robot,
        weight: Number = 0.5,
        width: Number | None = None,
        slope: Number = 0.0,
        command: str = "velocity",
    ):
        self.angvel, self.command, self.weight = robot.need("base.angvel", type(self).__name__), command, f32(weight)
        self.width = f32(0.0868 / robot.time_scale if width is None else width)
        self.slope = f32(slope)

    def __call__(self, signals: Signals) -> Float[Array, ""]:
        command = signals.command(self.command, VelocityState, self)
        error = self.angvel.read(signals.physics.sensordata)[2] - command.yaw_rate
        return _tracked(error, self.width, self.slope)


class TrackHeading(AbstractStatelessReward):
    """Heading as commanded."""

    weight: Float[Array, ""]
    width: Float[Array, ""]  # rad
    command: str = eqx.field(static=True)

    def __init__(self, weight: Number = 0.5, width: Number = 0.2, command: str = "velocity"):
        self.weight = f32(weight)
        self.width = f32(width)
        self.command = command

    def __call__(self, signals: Signals) -> Float[Array, ""]:
        command = signals.command(self.command, VelocityState, self)
        return kernel(rotation.wrap_angle(command.target - command.heading), self.width)
