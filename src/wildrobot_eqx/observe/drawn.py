"""What was drawn for an episode, as observation terms: only the simulator knows it, so it is for the critic.

The value function that knows the robot it judges need not take a heavy one for a bad policy
(asymmetric actor-critic: Pinto et al. 2017, arXiv 1710.06542).
"""

from collections.abc import Callable
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..arrays import f32
from ..control.motors import MotorState
from ..control.voltage import VoltageState
from ..errors import WildRobotError, nearest
from ..physics import PhysicsParams
from ..physics.params import nominal_params
from ..robots import DrivenJoints, Mirror, Robot, joint_unit
from .signals import Signals
from .terms import AbstractJointTerm, AbstractStatelessTerm

JointFigure = Literal["stiffness", "torque limit", "armature", "damping", "friction loss"]
"""The figures of a joint and its servo that `JointRatios` observes."""


def _unsigned(driven: DrivenJoints) -> Mirror | None:
    """Joints change sides, and a figure without a direction keeps its sign."""
    mirror = driven.mirror
    return None if mirror is None else Mirror(mirror.source, (1.0,) * driven.size)


def _figure(params: PhysicsParams, driven: DrivenJoints, name: JointFigure) -> Float[Array, " nu"]:
    dofs = np.array(driven.dof)
    if name == "stiffness":
        return params.actuator_gainprm[:, 0]
    if name == "torque limit":
        return params.actuator_forcerange[:, 1]
    fields = {"armature": params.dof_armature, "damping": params.dof_damping, "friction loss": params.dof_frictionloss}
    return fields[name][dofs]


class JointRatios(AbstractStatelessTerm):
    """One figure of each joint as a fraction of the nominal, in actuator order; 1 where the nominal is 0."""

    driven: DrivenJoints
    figure: JointFigure = eqx.field(static=True)
    nominal: Float[Array, " nu"]
    unit = "1"
    frame = "joint, over nominal"
    measurable = False

    def __init__(self, robot: Robot, figure: JointFigure = "stiffness"):
        self.driven, self.figure = robot.driven, figure
        self.nominal = _figure(nominal_params(robot.model), robot.driven, figure)

    @property
    def size(self) -> int:
        """Length of its vector."""
        return self.driven.size

    @property
    def mirror(self) -> Mirror | None:
        return _unsigned(self.driven)

    @property
    def source(self) -> str:
        return f"params, {self.figure}"

    def __call__(self, signals: Signals) -> Float[Array, " nu"]:
        drawn = _figure(signals.params_for(self), self.driven, self.figure)
        some = self.nominal != 0.0
        return jnp.where(some, drawn / jnp.where(some, self.nominal, 1.0), 1.0)


class MassRatios(AbstractStatelessTerm):
    """The mass of each body that weighs something as a fraction of the nominal, in the model's order."""

    bodies: tuple[int, ...] = eqx.field(static=True)
    swapped: tuple[int, ...] = eqx.field(static=True)  # by place in `bodies`: the body on the other side
    nominal: Float[Array, " n"]  # kg
    unit = "1"
    frame = "body, over nominal"
    measurable = False

    def __init__(self, robot: Robot):
        mj = robot.model.mj
        self.bodies = tuple(int(i) for i in np.flatnonzero(mj.body_mass > 0.0))
        moved = [int(mj.jnt_bodyid[mj.dof_jntid[dof]]) for dof in robot.joint_dof]
        other = {moved[i]: moved[j] for i, j in enumerate(robot.mirror.source)} if robot.mirror else {}
        self.swapped = tuple(self.bodies.index(other.get(body, body)) for body in self.bodies)
        self.nominal = f32(mj.body_mass[list(self.bodies)])

    @property
    def size(self) -> int:
        """Length of its vector."""
        return len(self.bodies)

    @property
    def mirror(self) -> Mirror:
        return Mirror(self.swapped, (1.0,) * len(self.bodies))

    @property
    def source(self) -> str:
        return "params, body_mass"

    def __call__(self, signals: Signals) -> Float[Array, " n"]:
        return signals.params_for(self).body_mass[np.array(self.bodies)] / self.nominal


class CentreOfMassShift(AbstractStatelessTerm):
    """How far the base's centre of mass, a payload included, lies from the nominal one."""

    body: int = eqx.field(static=True)
    nominal: Float[Array, " 3"]  # m
    size = 3
    unit = "m"
    frame = "base"
    measurable = False

    def __init__(self, robot: Robot):
        self.body = robot.need("base", type(self).__name__).body
        self.nominal = f32(robot.model.mj.body_ipos[self.body])

    @property
    def mirror(self) -> Mirror:
        return Mirror((0, 1, 2), (1.0, -1.0, 1.0))

    @property
    def source(self) -> str:
        return "params, body_ipos"

    def __call__(self, signals: Signals) -> Float[Array, " 3"]:
        return signals.params_for(self).body_ipos[self.body] - self.nominal


class FrictionRatio(AbstractStatelessTerm):
    """Sliding friction as a fraction of the nominal, the mean over the geoms that have some."""

    nominal: Float[Array, " ngeom"]
    size = 1
    unit = "1"
    frame = "floor, over nominal"
    measurable = False

    def __init__(self, robot: Robot):
        self.nominal = f32(robot.model.mj.geom_friction[:, 0])

    @property
    def mirror(self) -> Mirror:
        return Mirror((0,), (1.0,))

    @property
    def source(self) -> str:
        return "params, geom_friction"

    def __call__(self, signals: Signals) -> Float[Array, " 1"]:
        total = jnp.sum(signals.params_for(self).geom_friction[:, 0])
        return (total / jnp.sum(self.nominal))[None]


class EncoderOffsets(AbstractJointTerm):
    """What each encoder reads at its joint's true zero (`RandomCalibrationError`), in actuator order."""

    driven: DrivenJoints
    unit: str = eqx.field(static=True)  # one for each joint where hinges and slides are driven
    frame = "joint"
    measurable = False

    def __init__(self, robot: Robot):
        self.driven, self.unit = robot.driven, joint_unit(robot, robot.joint_names)

    @property
    def source(self) -> str:
        return "calibration, joint_offset"

    def __call__(self, signals: Signals) -> Float[Array, " nu"]:
        return signals.errors_for(self).joint_offset


class ImuRotation(AbstractStatelessTerm):
    """The IMU's mounting error (`RandomCalibrationError`), a rotation vector."""

    size = 3
    unit = "rad"
    frame = "imu"
    measurable = False

    def __init__(self) -> None:
        pass

    @property
    def mirror(self) -> Mirror:
        return Mirror((0, 1, 2), (-1.0, 1.0, -1.0))

    @property
    def source(self) -> str:
        return "calibration, imu_rotation"

    def __call__(self, signals: Signals) -> Float[Array, " 3"]:
        return signals.errors_for(self).imu_rotation


class AbstractServoTerm(AbstractStatelessTerm):
    """What one part of the servos has drawn, the part being named as in `env.disturbances.servos`."""

    part: eqx.AbstractVar[str]
    frame = "servo"
    measurable = False

    @property
    def source(self) -> str:
        return f"servos, {self.part}"

    def drawn(self, signals: Signals, kind: str, fits: Callable[[Any], bool]) -> Any:
        """The part's state, which fits where the part is a servo of that kind.

        Raises:
            WildRobotError: the env has no such part, or it is of another kind.
        """
        parts = signals.servo or {}
        if self.part not in parts:
            raise WildRobotError(
                f"{type(self).__name__} asks for the servos' part {self.part!r}, and the env has no such part.",
                where="env.disturbances.servos",
                hint=nearest(self.part, parts)
                if parts
                else "give the Disturbances servos=Servos(...), or drop the term",
            )
        if not fits(state := parts[self.part]):
            raise WildRobotError(
                f"{type(self).__name__} reads what a {kind} draws; the servos' part {self.part!r} is another servo.",
                where=f"env.disturbances.servos.parts[{self.part!r}]",
                hint=f"name a part that is a {kind}, or drop the term",
            )
        return state


class BatteryVoltage(AbstractServoTerm):
    """The battery's voltage without load, drawn by the servos' motor, whose name among them is `part`.

    A `DCMotor` and a `VoltageControlledMotor` draw one.
    """

    part: str = eqx.field(static=True)
    size = 1
    unit = "V"

    def __init__(self, part: str = "motor"):
        self.part = part

    @property
    def mirror(self) -> Mirror:
        return Mirror((0,), (1.0,))

    def __call__(self, signals: Signals) -> Float[Array, " 1"]:
        kinds = "DCMotor or VoltageControlledMotor"
        return self.drawn(signals, kinds, lambda state: isinstance(state, (MotorState, VoltageState))).source[None]


class MotorStrengths(AbstractServoTerm):
    """Each motor's torque as a fraction of the nominal, drawn by the servos' `DCMotor`, in actuator order."""

    driven: DrivenJoints
    part: str = eqx.field(static=True)
    unit = "1"

    def __init__(self, robot: Robot, part: str = "motor"):
        self.driven, self.part = robot.driven, part

    @property
    def size(self) -> int:
        """Length of its vector."""
        return self.driven.size

    @property
    def mirror(self) -> Mirror | None:
        return _unsigned(self.driven)

    def __call__(self, signals: Signals) -> Float[Array, " nu"]:
        return self.drawn(signals, "DCMotor", lambda state: isinstance(state, MotorState)).strength


class CommandLag(AbstractServoTerm):
    """How late targets reach the servos, drawn by their `CommandDelay`."""

    scale: float = eqx.field(static=True)  # 1/s
    part: str = eqx.field(static=True)
    size = 1
    unit = "control period"

    def __init__(self, robot: Robot, part: str = "delay"):
        self.scale, self.part = 1.0 / robot.control_dt, part

    @property
    def mirror(self) -> Mirror:
        return Mirror((0,), (1.0,))

    def __call__(self, signals: Signals) -> Float[Array, " 1"]:
        state = self.drawn(signals, "CommandDelay", lambda state: isinstance(state, tuple) and len(state) == 2)
        return self.scale * state[0][None]


class GearPlay(AbstractServoTerm):
    """Each joint's backlash, full width, drawn by the servos' `Backlash`, in actuator order."""

    driven: DrivenJoints
    unit: str = eqx.field(static=True)  # one for each joint where hinges and slides are driven
    part: str = eqx.field(static=True)

    def __init__(self, robot: Robot, part: str = "backlash"):
        self.driven, self.part = robot.driven, part
        self.unit = joint_unit(robot, robot.joint_names)

    @property
    def size(self) -> int:
        """Length of its vector."""
        return self.driven.size

    @property
    def mirror(self) -> Mirror | None:
        return _unsigned(self.driven)

    def __call__(self, signals: Signals) -> Float[Array, " nu"]:
        return self.drawn(signals, "Backlash", lambda state: isinstance(state, jax.Array))
