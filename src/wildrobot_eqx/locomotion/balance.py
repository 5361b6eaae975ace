"""Rewards of balance: whether the feet are where they have to be for the robot to come to rest over them.

The capture point is where a robot that falls like a pendulum of height `h` would have to
put its foot to come to rest over it: position plus velocity times `sqrt(h / g)` (Pratt et
al. 2006, "Capture Point: A Step toward Humanoid Push Recovery", equation 4). Here it is
that of the base, whose velocity the simulator knows. While it lies within the box around
the centres of the soles, the ankles suffice; where it does not, a foot has to get there.
"""

import math

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..arrays import Number, f32
from ..module import AbstractModule
from ..observe import Signals
from ..robots import Foot, Robot, Sensor
from ..task import AbstractStatelessReward
from .feet import load_threshold
from .velocity import VelocityState


class _Capture(AbstractModule):
    """How far the capture point is from the feet."""

    feet: tuple[Foot, ...]
    linvel: Sensor
    body: int = eqx.field(static=True)
    margin: Float[Array, ""]  # m
    time: Float[Array, ""]  # s
    command: str = eqx.field(static=True)

    def __init__(self, robot: Robot, margin: Number | None, time: Number | None, command: str, asker: str):
        self.feet, self.body = robot.need("feet", asker), robot.need("base", asker).body
        self.linvel = robot.need("base.linvel", asker)
        self.margin = f32(0.1075 * robot.leg_length if margin is None else margin)
        self.time, self.command = f32(_pendulum(robot) if time is None else time), command

    def velocity(self, signals: Signals) -> VelocityState:
        """The velocity command."""
        return signals.command(self.command, VelocityState, self)

    def error(self, signals: Signals) -> Float[Array, " 2"]:
        """From the feet to the capture point, m, in the commanded heading's frame; 0 where it is between them."""
        physics, frame = signals.physics, self.velocity(signals).heading_frame
        soles = jnp.stack([frame(physics.site_xpos[foot.site])[:2] for foot in self.feet])
        velocity = self.linvel.read(physics.sensordata)
        point = frame(physics.xpos[self.body] + self.time * velocity)[:2]
        beyond = jnp.maximum(point - jnp.max(soles, axis=0) - self.margin, 0.0)
        behind = jnp.maximum(jnp.min(soles, axis=0) - self.margin - point, 0.0)
        return beyond - behind


def _pendulum(robot: Robot) -> float:
    """sqrt(h / g) for the height of the base in the home pose, s."""
    return math.sqrt(float(robot.home_height) / robot.gravity)


def _length(vector: Float[Array, " 2"]) -> Float[Array, ""]:
    return jnp.sqrt(jnp.sum(jnp.square(vector)) + 1e-8)  # of a slope that is finite at 0, too


class CapturePoint(AbstractStatelessReward):
    """Distance of the capture point from the box around the feet's centres, m.

    Args:
        robot: whose base and feet they are.
        weight: per m and s.
        margin: by which the box is larger on every side, m; 0.1075 leg lengths by default.
        time: `sqrt(h / g)` for the height of the centre of mass, s; that of the base in the home pose by default.
        command: the velocity command, whose heading the box is along.
    """

    capture: _Capture
    weight: Float[Array, ""]

    def __init__(
        self,
        robot: Robot,
        weight: Number = -15.0,
        margin: float | None = None,
        time: float | None = None,
        command: str = "velocity",
    ):
        self.capture, self.weight = _Capture(robot, margin, time, command, type(self).__name__), f32(weight)

    def __call__(self, signals: Signals) -> Float[Array, ""]:
        return _length(self.capture.error(signals))


class IdleFeet(AbstractStatelessReward):
    """1 while the capture point is away from the feet and none is on its way to it, 0 while one swings there fast.

    It shows a robot that tips over its toes what a step is: the fall alone tells so only
    once a whole step has happened by chance. It is a penalty that a step lifts, and no
    bonus: a bonus is best earned by leaning and running on.

    Args:
        robot: whose base and feet they are.
        weight: per s.
        speed: of a foot toward the capture point from which it is on its way, m/s; 0.933 sqrt(g L) by default.
        near: distance of the capture point from which the penalty is whole, m; 0.1075 leg lengths by default.
        load: force from which a foot counts as loaded, N; a tenth of the robot's weight by default.
        margin, time, command: as for `CapturePoint`.
    """

    capture: _Capture
    weight: Float[Array, ""]
    speed: Float[Array, ""]  # m/s
    near: Float[Array, ""]  # m
    load: Float[Array, ""]  # N

    def __init__(
        self,
        robot: Robot,
        weight: Number = -4.5,
        speed: Number | None = None,
        near: Number | None = None,
        load: Number | None = None,
        margin: float | None = None,
        time: float | None = None,
        command: str = "velocity",
    ):
        self.capture, self.weight = _Capture(robot, margin, time, command, type(self).__name__), f32(weight)
        self.speed = f32(0.933 * robot.leg_length / robot.time_scale if speed is None else speed)
        self.near = f32(0.1075 * robot.leg_length if near is None else near)
        self.load = f32(load_threshold(robot) if load is None else load)

    def __call__(self, signals: Signals) -> Float[Array, ""]:
        physics = signals.physics
        error = self.capture.error(signals)
        distance = _length(error)
        frame = self.capture.velocity(signals).heading_frame
        velocity = [frame(foot.linvel.read(physics.sensordata))[:2] for foot in self.capture.feet]
        toward = jnp.stack(velocity) @ (error / distance)
        aloft = (physics.foot_force[:, 2] < self.load).astype(jnp.float32)
        swinging = jnp.max(aloft * jnp.clip(toward / self.speed, 0.0, 1.0))
        return jnp.clip(distance / self.near, 0.0, 1.0) * (1.0 - swinging)
