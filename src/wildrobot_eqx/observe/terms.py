"""Observation terms: each knows its size, unit, frame, source and mirror image."""

import abc
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .. import rotation
from ..control import AbstractController
from ..module import AbstractModule
from ..physics.mujoco_tools.kinematics import feet_mirror
from ..protocol import Call, Protocol
from ..robots import DrivenJoints, Foot, Ground, Mirror, Robot, Sensor, above, joint_unit, one_unit
from .signals import Channel, Signals


class AbstractTerm(AbstractModule):
    """One named part of an observation, with a state of its own."""

    protocol: ClassVar[Protocol] = (
        Call("init", ("signals",), ("state",)),
        Call("step", ("state", "signals"), ("reading", "state")),
    )

    unit: eqx.AbstractVar[str]
    frame: eqx.AbstractVar[str]
    measurable: eqx.AbstractVar[bool]  # can the robot measure it?

    @property
    @abc.abstractmethod
    def size(self) -> int:
        """Length of its vector."""

    @property
    def mirror(self) -> Mirror | None:
        """How the term's vector reflects in the x-z plane; None where no reflection is known."""
        return None

    @property
    def side(self) -> int | None:
        """The entry whose sign changes with the side, left or right; None where there is none."""
        return None

    @property
    def constants(self) -> dict[str, Float[Array, ""]]:
        """What the robot needs to know to compute it, in SI units, by name."""
        return {}

    @property
    @abc.abstractmethod
    def source(self) -> str:
        """Where the robot gets it: a sensor's name, or what computes it."""

    @abc.abstractmethod
    def init(self, signals: Signals) -> Any:
        """The term's state at the start of an episode."""

    @abc.abstractmethod
    def step(self, state: Any, signals: Signals) -> tuple[Float[Array, " {self.size}"], Any]:
        """The term's value after a control step, and the next state."""


class AbstractStatelessTerm(AbstractTerm):
    """A term of one moment: it remembers nothing."""

    protocol: ClassVar[Protocol] = (Call("__call__", ("signals",), ("reading",)),)

    def init(self, signals: Signals) -> tuple[()]:
        """No state."""
        return ()

    def step(self, state: tuple[()], signals: Signals) -> tuple[Any, tuple[()]]:
        """The value of the moment."""
        return self(signals), state

    @abc.abstractmethod
    def __call__(self, signals: Signals) -> Float[Array, " {self.size}"]:
        """The term's value."""


_VECTOR = Mirror((0, 1, 2), (1.0, -1.0, 1.0))  # a polar vector such as gravity
_PSEUDOVECTOR = Mirror((0, 1, 2), (-1.0, 1.0, -1.0))  # an axial one such as angular velocity


class ProjectedGravity(AbstractStatelessTerm):
    """The direction of gravity as the IMU sees it: R^T (0, 0, -1)."""

    quat: Sensor
    leans: bool = eqx.field(static=True)  # several feet: the side it leans to is that of the foot that bears it
    unit = "1"
    frame = "imu"
    size = 3
    measurable = True

    def __init__(self, robot: Robot, imu: str | None = None):
        self.quat, self.leans = robot.imu(imu).quat, len(robot.feet) > 1

    @property
    def mirror(self) -> Mirror:
        return _VECTOR

    @property
    def side(self) -> int | None:
        return 1 if self.leans else None

    @property
    def source(self) -> str:
        return self.quat.name

    def __call__(self, signals: Signals) -> Float[Array, " 3"]:
        down = jnp.array([0.0, 0.0, -1.0], jnp.float32)
        return rotation.rotate_inverse(self.quat.read(signals.physics.sensordata), down)


class AngularVelocity(AbstractStatelessTerm):
    """The IMU's gyro reading."""

    gyro: Sensor
    unit = "rad/s"
    frame = "imu"
    size = 3
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


class AbstractJointTerm(AbstractStatelessTerm):
    """A term with an entry for each driven joint, in actuator order, that a reflection changes as it does angles."""

    driven: eqx.AbstractVar[DrivenJoints]

    @property
    def size(self) -> int:
        """Length of its vector."""
        return self.driven.size

    @property
    def mirror(self) -> Mirror | None:
        return self.driven.mirror


class JointPositions(AbstractJointTerm):
    """Joint angles, or places of slides, relative to the home pose, in actuator order."""

    driven: DrivenJoints
    unit: str = eqx.field(static=True)  # one for each joint where hinges and slides are driven
    frame = "joint, minus home"
    measurable = True

    def __init__(self, robot: Robot):
        self.driven, self.unit = robot.driven, joint_unit(robot, robot.joint_names)

    @property
    def constants(self) -> dict[str, Float[Array, ""]]:
        return {f"home {name}": angle for name, angle in zip(self.driven.names, self.driven.home)}

    @property
    def source(self) -> str:
        return "servo position"

    def __call__(self, signals: Signals) -> Float[Array, " nu"]:
        return self.driven.positions(signals.physics.qpos) - self.driven.home


class JointVelocities(AbstractJointTerm):
    """Joint velocities, in actuator order."""

    driven: DrivenJoints
    unit: str = eqx.field(static=True)  # one for each joint where hinges and slides are driven
    frame = "joint"
    measurable = True

    def __init__(self, robot: Robot):
        self.driven, self.unit = robot.driven, joint_unit(robot, robot.joint_names, "/s")

    @property
    def source(self) -> str:
        return "servo velocity"

    def __call__(self, signals: Signals) -> Float[Array, " nu"]:
        return self.driven.velocities(signals.physics.qvel)


class LastAction(AbstractStatelessTerm):
    """The policy's own previous output, as sampled."""

    reflection: Mirror | None
    length: int = eqx.field(static=True)
    unit = "1"
    frame = "action"
    measurable = True

    def __init__(self, controller: AbstractController):
        self.reflection, self.length = controller.mirror, controller.action_size

    @property
    def size(self) -> int:
        """The controller's action size."""
        return self.length

    @property
    def mirror(self) -> Mirror | None:
        return self.reflection

    @property
    def source(self) -> str:
        return "policy"

    def __call__(self, signals: Signals) -> Float[Array, " na"]:
        return signals.action


class CommandTerm(AbstractStatelessTerm):
    """What a policy sees of a command, such as a velocity, a goal or a gait's phase.

    Args:
        name: of the command in the env.
        channels: the command's `observed`.
    """

    command: str = eqx.field(static=True)
    channels: tuple[Channel, ...]
    unit: str = eqx.field(static=True)
    frame = "command"
    measurable = True

    def __init__(self, name: str, channels: tuple[Channel, ...]):
        self.command, self.channels = name, channels
        self.unit = one_unit([channel.unit for channel in channels])

    @property
    def size(self) -> int:
        """One entry per channel."""
        return len(self.channels)

    @property
    def mirror(self) -> Mirror | None:
        signs = tuple(channel.mirror for channel in self.channels if channel.mirror is not None)
        return Mirror(tuple(range(self.size)), signs) if len(signs) == self.size else None

    @property
    def side(self) -> int | None:
        return next((i for i, channel in enumerate(self.channels) if channel.side), None)

    @property
    def source(self) -> str:
        return f"command {self.command!r}"

    def __call__(self, signals: Signals) -> Float[Array, " {self.size}"]:
        return signals.observed_command(self.command, self)


class BaseHeight(AbstractStatelessTerm):
    """Height of the root body above the floor, or the `ground` under it (simulation only)."""

    body: int = eqx.field(static=True)
    ground: Ground | None
    unit = "m"
    frame = "world"
    size = 1
    measurable = False

    def __init__(self, robot: Robot, ground: Ground | None = None):
        self.body, self.ground = robot.need("base", type(self).__name__).body, ground

    @property
    def mirror(self) -> Mirror:
        return Mirror((0,), (1.0,))

    @property
    def source(self) -> str:
        return "xpos"

    def __call__(self, signals: Signals) -> Float[Array, " 1"]:
        return above(self.ground, signals.physics.xpos[self.body])[None]


class FootContacts(AbstractStatelessTerm):
    """Vertical force of the floor on each foot (simulation only)."""

    scale: float = eqx.field(static=True)  # 1/N
    feet: tuple[Foot, ...]
    reflection: Mirror
    unit = "body weight"
    frame = "world"
    measurable = False

    def __init__(self, robot: Robot):
        self.feet = robot.need("feet", type(self).__name__)
        self.scale, self.reflection = 1.0 / robot.weight, feet_mirror(robot)

    @property
    def size(self) -> int:
        """Length of its vector."""
        return len(self.feet)

    @property
    def mirror(self) -> Mirror:
        return self.reflection

    @property
    def source(self) -> str:
        return ", ".join(foot.force.name for foot in self.feet)

    def __call__(self, signals: Signals) -> Float[Array, " nfoot"]:
        return self.scale * signals.physics.foot_force[:, 2]
