"""Resets: the distribution of first poses."""

import abc
from collections.abc import Mapping
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from .. import rotation
from ..arrays import Number, Pair, f32, uniform
from ..errors import WildRobotError
from ..protocol import Call, Protocol
from ..robots import Ground, Robot

_REACH = 0.2  # m, about the robot: its feet come down above the highest ground within
_AROUND = _REACH * np.stack(np.meshgrid(*[np.linspace(-1.0, 1.0, 5)] * 2), axis=-1).reshape(-1, 2)


def _range(bounds: Pair | None) -> Float[Array, " 2"] | None:
    return None if bounds is None else f32(bounds)


class AbstractReset(eqx.Module):
    """The distribution of first poses, which may depend on what the robot is asked for."""

    protocol: ClassVar[Protocol] = (Call("__call__", ("key", "commands"), ("qpos", "qvel")),)

    @abc.abstractmethod
    def __call__(
        self, key: PRNGKeyArray, commands: Mapping[str, Any]
    ) -> tuple[Float[Array, " nq"], Float[Array, " nv"]]:
        """A first `qpos` and `qvel`; `commands` are the states that the env's commands have sampled, by name."""


class HomeReset(AbstractReset):
    """The home pose with uniform noise on joints and velocities, any heading, a little above the floor.

    On a `ground` (`robots.on_ground`) each episode has a place of its own, up to `spread` from
    `centre` along x and y. On a ground of `steps`, the height of the episode's steps is
    drawn from `steps`, and its y is where they are so high.

    Raises:
        WildRobotError: `steps` without a `ground` that has any.
    """

    robot: Robot
    joint_noise: Float[Array, ""]  # rad
    velocity_noise: Float[Array, ""]  # rad/s and m/s
    drop: Float[Array, ""]  # m
    ground: Ground | None
    spread: Float[Array, ""]  # m
    centre: Float[Array, " 2"]  # m
    steps: Float[Array, " 2"] | None  # m, range of the steps' height

    def __init__(
        self,
        robot: Robot,
        joint_noise: Number = 0.05,
        velocity_noise: Number = 0.1,
        drop: Number = 0.005,
        ground: Ground | None = None,
        spread: Number = 3.0,
        centre: Pair = (0.0, 0.0),
        steps: Pair | None = None,
    ):
        self.robot = robot
        self.joint_noise = f32(joint_noise)
        self.velocity_noise = f32(velocity_noise)
        self.drop = f32(drop)
        self.ground = ground
        self.spread = f32(spread)
        self.centre = f32(centre)
        self.steps = _range(steps)

    def __check_init__(self) -> None:
        if self.steps is not None and not (self.ground is not None and self.ground.highest_step > 0.0):
            raise WildRobotError(
                "Steps of the floor are drawn, but the reset has no ground with steps.",
                where="HomeReset, steps",
                hint="give it, and on_ground, one ground = Ground.steps(...)",
            )

    def __call__(
        self, key: PRNGKeyArray, commands: Mapping[str, Any]
    ) -> tuple[Float[Array, " nq"], Float[Array, " nv"]]:
        key_joint, key_vel, key_yaw, key_place, key_step = jax.random.split(key, 5)
        robot = self.robot
        low, high = robot.joint_range.T
        noise = jax.random.uniform(key_joint, (robot.nu,), jnp.float32, -1.0, 1.0)
        joints = jnp.clip(robot.home_joints + self.joint_noise * noise, low, high)
        qpos = robot.home_qpos.at[np.array(robot.joint_qpos)].set(joints)
        qvel = self.velocity_noise * jax.random.uniform(key_vel, (robot.nv,), jnp.float32, -1.0, 1.0)
        base = robot.base
        if base is not None and base.floating:
            at = base.qpos_address
            heading = jax.random.uniform(key_yaw, (), jnp.float32, -jnp.pi, jnp.pi)
            qpos = qpos.at[at + 2].add(self.drop).at[at + 3 : at + 7].set(rotation.quat_yaw(heading))
            if self.ground is not None:
                place = self.centre + jax.random.uniform(key_place, (2,), jnp.float32, -self.spread, self.spread)
                if self.steps is not None:
                    place = place.at[1].set(self.ground.where(uniform(key_step, self.steps)))
                highest = jnp.max(self.ground.height(place + f32(_AROUND)))
                qpos = qpos.at[at : at + 2].add(place).at[at + 2].add(highest)
        return qpos, qvel
