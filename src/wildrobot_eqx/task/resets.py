"""Resets: the distribution of first states."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ..arrays import f32
from ..physics import rotation
from ..robots import Ground, Robot

_REACH = 0.2  # m, about the robot: its feet come down above the highest ground within
_AROUND = _REACH * np.stack(np.meshgrid(*[np.linspace(-1.0, 1.0, 5)] * 2), axis=-1).reshape(-1, 2)


class HomeReset(eqx.Module):
    """The home pose with uniform noise on joints and velocities, any heading, a little above the floor.

    On a `ground` (`robots.on_ground`) each episode has a place of its own, up to `spread` from
    the world's origin along x and y.
    """

    robot: Robot
    joint_noise: Float[Array, ""] = eqx.field(default=0.05, converter=f32)  # rad
    velocity_noise: Float[Array, ""] = eqx.field(default=0.1, converter=f32)  # rad/s and m/s
    drop: Float[Array, ""] = eqx.field(default=0.005, converter=f32)  # m
    ground: Ground | None = None
    spread: Float[Array, ""] = eqx.field(default=3.0, converter=f32)  # m

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
            if self.ground is not None:
                key_place = jax.random.fold_in(key, 1)  # so that without ground nothing else is drawn
                place = jax.random.uniform(key_place, (2,), jnp.float32, -self.spread, self.spread)
                highest = jnp.max(self.ground.height(place + f32(_AROUND)))
                qpos = qpos.at[:2].add(place).at[2].add(highest)
        return qpos, qvel
