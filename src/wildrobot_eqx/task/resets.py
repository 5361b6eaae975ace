"""Resets: the distribution of first states."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ..arrays import f32
from ..physics import rotation
from ..robots import Robot


class HomeReset(eqx.Module):
    """The home pose with uniform noise on joints and velocities, any heading, a little above the floor."""

    robot: Robot
    joint_noise: Float[Array, ""] = eqx.field(default=0.05, converter=f32)  # rad
    velocity_noise: Float[Array, ""] = eqx.field(default=0.1, converter=f32)  # rad/s and m/s
    drop: Float[Array, ""] = eqx.field(default=0.005, converter=f32)  # m

    def __call__(self, key: PRNGKeyArray) -> tuple[Float[Array, " nq"], Float[Array, " nv"]]:
        """A first `qpos` and `qvel`."""
        key_joint, key_vel, key_yaw = jax.random.split(key, 3)
        robot = self.robot
        low, high = robot.joint_range.T
        noise = jax.random.uniform(key_joint, (robot.nu,), jnp.float32, -1.0, 1.0)
        joints = jnp.clip(robot.home_joints + self.joint_noise * noise, low, high)
        qpos = robot.home_qpos.at[np.array(robot.joint_qpos)].set(joints)
        qvel = self.velocity_noise * jax.random.uniform(key_vel, (robot.nv,), jnp.float32, -1.0, 1.0)
        if robot.base.floating:
            heading = jax.random.uniform(key_yaw, (), jnp.float32, -jnp.pi, jnp.pi)
            qpos = qpos.at[2].add(self.drop).at[3:7].set(rotation.quat_yaw(heading))
        return qpos, qvel
