"""A reset to the pose that a clip asks for at the drawn moment."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from .. import rotation
from ..arrays import Number, f32, uniform
from ..errors import WildRobotError, nearest
from ..robots import Robot
from ..task import AbstractReset
from .command import ClipState


class ClipReset(AbstractReset):
    """The pose and the velocities of a `ClipCommand`'s first frame, with uniform noise, toward any heading.

    A floating base is where the clip has it, turned with it about the vertical by a drawn heading.

    Args:
        robot: whose joints they are.
        command: name of the ClipCommand in the env.
        joint_noise: up to which joints differ from the frame, rad.
        velocity_noise: up to which velocities do, rad/s and m/s.
        drop: by which a floating base is above where the clip has it, m.
    """

    robot: Robot
    command: str = eqx.field(static=True)
    joint_noise: Float[Array, ""]  # rad
    velocity_noise: Float[Array, ""]  # rad/s and m/s
    drop: Float[Array, ""]  # m

    def __init__(
        self,
        robot: Robot,
        command: str,
        joint_noise: Number = 0.05,
        velocity_noise: Number = 0.1,
        drop: Number = 0.005,
    ):
        self.robot, self.command = robot, command
        self.joint_noise, self.velocity_noise, self.drop = f32(joint_noise), f32(velocity_noise), f32(drop)

    def __call__(
        self, key: PRNGKeyArray, commands: Mapping[str, Any]
    ) -> tuple[Float[Array, " nq"], Float[Array, " nv"]]:
        """Raises a WildRobotError where the env has no ClipCommand of that name."""
        state = commands.get(self.command)
        if not isinstance(state, ClipState):
            raise WildRobotError(
                f"ClipReset asks for a ClipState of the command {self.command!r}, and the env has "
                + ("no such command." if state is None else f"a {type(state).__name__} there."),
                where="env.commands",
                hint="a we.commands.ClipCommand; " + nearest(self.command, commands),
            )
        key_joint, key_vel, key_yaw = jax.random.split(key, 3)
        robot, frame = self.robot, state.frame
        low, high = robot.joint_range.T
        joints = frame.joint_pos + self.joint_noise * jax.random.uniform(key_joint, (robot.nu,), jnp.float32, -1.0, 1.0)
        qpos = robot.home_qpos.at[np.array(robot.joint_qpos, int)].set(jnp.clip(joints, low, high))
        qvel = jnp.zeros((robot.nv,), jnp.float32).at[np.array(robot.joint_dof, int)].set(frame.joint_vel)
        base = robot.base
        if base is not None and base.floating:
            at, dof = base.qpos_address, base.dof_address
            heading = rotation.quat_yaw(uniform(key_yaw, f32([-jnp.pi, jnp.pi])))
            place = rotation.rotate(heading, frame.base_pos).at[2].add(self.drop)
            qpos = qpos.at[at : at + 3].set(place)
            qpos = qpos.at[at + 3 : at + 7].set(rotation.quat_multiply(heading, frame.base_quat))
            qvel = qvel.at[dof : dof + 3].set(rotation.rotate(heading, frame.base_linvel))
            qvel = qvel.at[dof + 3 : dof + 6].set(frame.base_angvel)
        noise = jax.random.uniform(key_vel, (robot.nv,), jnp.float32, -1.0, 1.0)
        return qpos, qvel + self.velocity_noise * noise
