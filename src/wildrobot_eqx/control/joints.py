"""Controllers with one entry of the action per actuator, one for each kind of actuator."""

from typing import Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..arrays import Numbers, f32
from ..robots import Mirror, Robot
from .base import AbstractController
from .filters import AbstractFilter

_INSTEAD = "take JointPosition for position servos, JointTorque for motors, JointVelocity for velocity actuators"
_SCALE = 0.4  # rad per unit of action

TargetLimits = Literal["joint", "command"]
"""What targets are clipped to: the joint's range, or that of the actuator's command."""


class JointPosition(AbstractController):
    """Targets around the home pose: `clip(home + scale * action, range)`.

    Args:
        robot: whose position servos are driven.
        scale: rad per unit of action, one for all joints or one for each; if None, those of the robot's
            robot.toml ([control], action_scale), or 0.4 where it has none.
        limits: "joint": targets stay within the joints' ranges; "command": within the actuators' `ctrlrange`, which may
            be wider. A soft servo pulls by the distance to its target: near the end of a joint's range it bears a load
            only with a target beyond it.

    Raises:
        WildRobotError: an actuator of the robot is no position servo.
    """

    home: Float[Array, " nu"]  # rad
    scale: Float[Array, " nu"]  # rad per unit of action
    range: Float[Array, "nu 2"]  # rad
    reflection: Mirror | None
    joint_names: tuple[str, ...] = eqx.field(static=True)  # whose entries these are; the contract check compares them

    def __init__(self, robot: Robot, scale: float | Numbers | None = None, limits: TargetLimits = "joint"):
        robot.need_actuators("position", "JointPosition", _INSTEAD)
        self.home = robot.home_joints
        if scale is None:
            scale = _SCALE if robot.action_scale is None else robot.action_scale
        self.scale = jnp.broadcast_to(jnp.asarray(scale, jnp.float32), self.home.shape)
        self.range = robot.joint_range if limits == "joint" else robot.ctrl_range
        self.joint_names, self.reflection = robot.joint_names, robot.mirror

    @property
    def action_size(self) -> int:
        return len(self.joint_names)

    @property
    def mirror(self) -> Mirror | None:
        return self.reflection

    def rest(self) -> Float[Array, " nu"]:
        return self.home

    def init(self) -> tuple[()]:
        return ()

    def __call__(
        self, state: tuple[()], action: Float[Array, " {self.home.size}"]
    ) -> tuple[Float[Array, " nu"], tuple[()]]:
        target = self.home + self.scale * action
        return jnp.clip(target, self.range[:, 0], self.range[:, 1]), state


def target_range(robot: Robot, controller: AbstractController) -> Float[np.ndarray, "nu 2"]:
    """Where the commands of a controller lie, in their unit: a `JointPosition`'s own range, filtered or not.

    Of any other controller a position servo's is the joint's range, another actuator's its `ctrlrange`.
    """
    while not isinstance(controller, JointPosition) and isinstance(controller, AbstractFilter):
        controller = controller.inner
    if isinstance(controller, JointPosition):
        return np.asarray(controller.range)
    position = np.array([kind == "position" for kind in robot.actuator_kind])[:, None]
    return np.where(position, robot.joint_range, robot.ctrl_range)


class AbstractScaledCommand(AbstractController):
    """`ctrl = clip(action * scale, range)`, one entry per joint, and nothing at rest: no state."""

    scale: Float[Array, " nu"]  # command per unit of action
    range: Float[Array, "nu 2"]  # of the command
    reflection: Mirror | None
    joint_names: tuple[str, ...] = eqx.field(static=True)

    @property
    def action_size(self) -> int:
        return len(self.joint_names)

    @property
    def mirror(self) -> Mirror | None:
        return self.reflection

    def rest(self) -> Float[Array, " nu"]:
        return jnp.zeros_like(self.scale)

    def init(self) -> tuple[()]:
        return ()

    def __call__(
        self, state: tuple[()], action: Float[Array, " {self.scale.size}"]
    ) -> tuple[Float[Array, " nu"], tuple[()]]:
        return jnp.clip(self.scale * action, self.range[:, 0], self.range[:, 1]), state


class JointTorque(AbstractScaledCommand):
    """Torques of motors: an action of 1 asks for `scale` times the joint's torque limit.

    `ctrl = clip(action * scale * torque_limit / (gear * gain), ctrl_range)`; at rest the motors
    give nothing.

    Args:
        robot: whose motors are driven.
        scale: fraction of the torque limit per unit of action, one for all joints or one for each.

    Raises:
        WildRobotError: an actuator of the robot is no motor.
    """

    def __init__(self, robot: Robot, scale: float | Float[Array, " nu"] = 1.0):
        robot.need_actuators("motor", "JointTorque", _INSTEAD)
        mj = robot.model.mj
        per_command = f32(mj.actuator_gear[:, 0] * mj.actuator_gainprm[:, 0])  # N m
        self.scale = jnp.asarray(scale, jnp.float32) * robot.torque_limit / per_command
        self.range = robot.ctrl_range
        self.joint_names, self.reflection = robot.joint_names, robot.mirror


class JointVelocity(AbstractScaledCommand):
    """Speeds of velocity actuators: an action of 1 asks for `scale` times the top of the command's range.

    `ctrl = clip(action * scale * high, ctrl_range)`; at rest the joints are commanded to stand still.

    Args:
        robot: whose actuators are driven.
        scale: fraction of the greatest command per unit of action, one for all joints or one for each.

    Raises:
        WildRobotError: an actuator of the robot is no velocity actuator.
    """

    def __init__(self, robot: Robot, scale: float | Float[Array, " nu"] = 1.0):
        robot.need_actuators("velocity", "JointVelocity", _INSTEAD)
        self.scale = jnp.asarray(scale, jnp.float32) * robot.ctrl_range[:, 1]
        self.range = robot.ctrl_range
        self.joint_names, self.reflection = robot.joint_names, robot.mirror
