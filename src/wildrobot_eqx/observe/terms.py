"""Observation terms: each knows its size, unit, frame, source and mirror image."""

import abc
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..physics import rotation
from ..robots import Foot, Ground, Mirror, Robot, Sensor, above
from .signals import Signals


class AbstractTerm(eqx.Module):
    """One named part of an observation."""

    unit: eqx.AbstractClassVar[str]
    frame: eqx.AbstractClassVar[str]
    measurable: eqx.AbstractClassVar[bool]  # can the robot measure it?
    side: ClassVar[int | None] = None  # the entry whose sign tells left from right, which its reflection turns around

    @property
    @abc.abstractmethod
    def mirror(self) -> Mirror:
        """How the term's vector reflects in the x-z plane; its length is the term's size."""

    @property
    @abc.abstractmethod
    def source(self) -> str:
        """Where the robot gets it: a sensor's name, or what computes it."""

    @abc.abstractmethod
    def __call__(self, signals: Signals) -> Float[Array, " n"]:
        """The term's value."""


_VECTOR = Mirror((0, 1, 2), (1.0, -1.0, 1.0))  # a polar vector such as gravity
_PSEUDOVECTOR = Mirror((0, 1, 2), (-1.0, 1.0, -1.0))  # an axial one such as angular velocity


class ProjectedGravity(AbstractTerm):
    """The direction of gravity as the IMU sees it: R^T (0, 0, -1)."""

    quat: Sensor
    unit = "1"
    frame = "imu"
    measurable = True
    side = 1

    def __init__(self, robot: Robot, imu: str | None = None):
        self.quat = robot.imu(imu).quat

    @property
    def mirror(self) -> Mirror:
        return _VECTOR

    @property
    def source(self) -> str:
        return self.quat.name

    def __call__(self, signals: Signals) -> Float[Array, " 3"]:
        down = jnp.array([0.0, 0.0, -1.0], jnp.float32)
        return rotation.rotate_inverse(self.quat.read(signals.physics.sensordata), down)


class AngularVelocity(AbstractTerm):
    """The IMU's gyro reading."""

    gyro: Sensor
    unit = "rad/s"
    frame = "imu"
    measurable = True

    def __init__(self, robot: Robot, imu: str | None = None):
        self.gyro = robot.imu(imu).gyro

    @property
    def mirror(self) -> Mirror:
        return _PSEUDOVECTOR

    @property
    def source(self) -> str:
        return self.gyro.name

    def __call__(self, signals: Signals) -> Float[Array, " 3"]:
        return self.gyro.read(signals.physics.sensordata)


class JointPositions(AbstractTerm):
    """Servo angles relative to the home pose, in actuator order."""

    robot: Robot
    unit = "rad"
    frame = "joint, minus home"
    measurable = True

    @property
    def mirror(self) -> Mirror:
        return self.robot.joint_mirror

    @property
    def source(self) -> str:
        return "servo position"

    def __call__(self, signals: Signals) -> Float[Array, " nu"]:
        return self.robot.joints(signals.physics.qpos) - self.robot.home_joints


class JointVelocities(AbstractTerm):
    """Servo velocities, in actuator order."""

    robot: Robot
    unit = "rad/s"
    frame = "joint"
    measurable = True

    @property
    def mirror(self) -> Mirror:
        return self.robot.joint_mirror

    @property
    def source(self) -> str:
        return "servo velocity"

    def __call__(self, signals: Signals) -> Float[Array, " nu"]:
        return self.robot.joint_velocities(signals.physics.qvel)


class LastAction(AbstractTerm):
    """The policy's own previous output, as sampled."""

    robot: Robot
    unit = "1"
    frame = "joint"
    measurable = True

    @property
    def mirror(self) -> Mirror:
        return self.robot.joint_mirror

    @property
    def source(self) -> str:
        return "policy"

    def __call__(self, signals: Signals) -> Float[Array, " nu"]:
        return signals.action


class GaitPhase(AbstractTerm):
    """Sine and cosine of the gait clock; both 0 while the robot should stand still."""

    unit = "1"
    frame = "clock"
    measurable = True
    side = 0

    @property
    def mirror(self) -> Mirror:
        return Mirror((0, 1), (-1.0, -1.0))  # left and right are half a cycle apart

    @property
    def source(self) -> str:
        return "gait clock"

    def __call__(self, signals: Signals) -> Float[Array, " 2"]:
        phase = signals.phase
        return signals.stepping * jnp.stack([jnp.sin(phase), jnp.cos(phase)])


class VelocityCommands(AbstractTerm):
    """Commanded forward speed (m/s) and the heading hold's yaw rate (rad/s)."""

    unit = "m/s, rad/s"
    frame = "heading"
    measurable = True

    @property
    def mirror(self) -> Mirror:
        return Mirror((0, 1), (1.0, -1.0))

    @property
    def source(self) -> str:
        return "command, heading hold"

    def __call__(self, signals: Signals) -> Float[Array, " 2"]:
        return jnp.stack([signals.command.speed, signals.command.yaw_rate])


class PlanarCommands(AbstractTerm):
    """Commanded forward and lateral speed (m/s, to the left) and yaw rate (rad/s): a turn, and the heading hold's."""

    unit = "m/s, m/s, rad/s"
    frame = "heading"
    measurable = True

    @property
    def mirror(self) -> Mirror:
        return Mirror((0, 1, 2), (1.0, -1.0, -1.0))

    @property
    def source(self) -> str:
        return "command, heading hold"

    def __call__(self, signals: Signals) -> Float[Array, " 3"]:
        command = signals.command
        lateral = jnp.zeros((), jnp.float32) if command.lateral is None else command.lateral
        return jnp.stack([command.speed, lateral, command.yaw_rate])


class BaseLinearVelocity(AbstractTerm):
    """True velocity of the base in the commanded heading's frame (simulation only)."""

    linvel: Sensor
    unit = "m/s"
    frame = "heading"
    measurable = False

    def __init__(self, robot: Robot):
        self.linvel = robot.base.linvel

    @property
    def mirror(self) -> Mirror:
        return _VECTOR

    @property
    def source(self) -> str:
        return self.linvel.name

    def __call__(self, signals: Signals) -> Float[Array, " 3"]:
        return signals.heading_frame(self.linvel.read(signals.physics.sensordata))


class BaseHeight(AbstractTerm):
    """Height of the root body above the floor, or the `ground` under it (simulation only)."""

    body: int = eqx.field(static=True)
    ground: Ground | None
    unit = "m"
    frame = "world"
    measurable = False

    def __init__(self, robot: Robot, ground: Ground | None = None):
        self.body, self.ground = robot.base.body, ground

    @property
    def mirror(self) -> Mirror:
        return Mirror((0,), (1.0,))

    @property
    def source(self) -> str:
        return "xpos"

    def __call__(self, signals: Signals) -> Float[Array, " 1"]:
        return above(self.ground, signals.physics.xpos[self.body])[None]


class FootContacts(AbstractTerm):
    """Vertical force of the floor on each foot (simulation only)."""

    scale: float = eqx.field(static=True)  # 1/N
    feet: tuple[Foot, ...]
    unit = "body weight"
    frame = "world"
    measurable = False

    def __init__(self, robot: Robot):
        self.feet = robot.feet
        mj = robot.model.mj
        self.scale = float(1.0 / (mj.body_subtreemass[0] * -mj.opt.gravity[2]))

    @property
    def mirror(self) -> Mirror:
        n = len(self.feet)
        return Mirror(tuple(reversed(range(n))), (1.0,) * n)

    @property
    def source(self) -> str:
        return ", ".join(foot.force.name for foot in self.feet)

    def __call__(self, signals: Signals) -> Float[Array, " nfoot"]:
        return self.scale * signals.physics.foot_force[:, 2]
