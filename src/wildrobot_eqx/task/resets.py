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
from ..module import AbstractModule
from ..protocol import Call, Protocol
from ..robots import Ground, Robot, joint_addresses

_AROUND = np.stack(np.meshgrid(*[np.linspace(-1.0, 1.0, 5)] * 2), axis=-1).reshape(-1, 2)


def _range(bounds: Pair | None) -> Float[Array, " 2"] | None:
    return None if bounds is None else f32(bounds)


class AbstractReset(AbstractModule):
    """The distribution of first poses, which may depend on what the robot is asked for."""

    protocol: ClassVar[Protocol] = (Call("__call__", ("key", "commands"), ("qpos", "qvel")),)

    @abc.abstractmethod
    def __call__(
        self, key: PRNGKeyArray, commands: Mapping[str, Any]
    ) -> tuple[Float[Array, " nq"], Float[Array, " nv"]]:
        """A first `qpos` and `qvel`; `commands` are the states that the env's commands have sampled, by name."""


class HomeReset(AbstractReset):
    """The home pose, turned to any heading, with uniform noise on joints and velocities, a little above the floor.

    On a `ground` (`robots.on_ground`) it begins above the highest place within the robot's
    `reach`, and each episode has a place of its own, up to `spread` from
    `centre` along x and y. On a ground of `steps`, the height of the episode's steps is
    drawn from `steps`, and its y is where they are so high.

    Raises:
        WildRobotError: `steps` without a `ground` that has any.
    """

    robot: Robot
    joint_noise: Float[Array, ""]  # rad
    velocity_noise: Float[Array, ""]  # rad/s, and m/s where `base_velocity_noise` is None
    base_velocity_noise: Float[Array, ""] | None  # m/s, of a floating base
    drop: Float[Array, ""]  # m
    ground: Ground | None
    spread: Float[Array, ""]  # m
    centre: Float[Array, " 2"]  # m
    steps: Float[Array, " 2"] | None  # m, range of the steps' height
    reach: float = eqx.field(static=True)  # m, about the base: what lies within on the ground is below the feet

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
        base_velocity_noise: Number | None = None,
    ):
        self.robot = robot
        self.joint_noise = f32(joint_noise)
        self.velocity_noise = f32(velocity_noise)
        self.base_velocity_noise = None if base_velocity_noise is None else f32(base_velocity_noise)
        self.drop = f32(drop)
        self.ground = ground
        self.spread = f32(spread)
        self.centre = f32(centre)
        self.steps = _range(steps)
        self.reach = robot.reach

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
        unit = jax.random.uniform(key_vel, (robot.nv,), jnp.float32, -1.0, 1.0)
        qvel = self.velocity_noise * unit
        base = robot.base
        if base is not None and base.floating:
            at = base.qpos_address
            heading = jax.random.uniform(key_yaw, (), jnp.float32, -jnp.pi, jnp.pi)
            if self.base_velocity_noise is not None:
                linear = slice(base.dof_address, base.dof_address + 3)
                qvel = qvel.at[linear].set(self.base_velocity_noise * unit[linear])
            turned = rotation.quat_multiply(rotation.quat_yaw(heading), robot.home_qpos[at + 3 : at + 7])
            qpos = qpos.at[at + 2].add(self.drop).at[at + 3 : at + 7].set(turned)
            if self.ground is not None:
                place = self.centre + jax.random.uniform(key_place, (2,), jnp.float32, -self.spread, self.spread)
                if self.steps is not None:
                    place = place.at[1].set(self.ground.where(uniform(key_step, self.steps)))
                highest = jnp.max(self.ground.height(place + f32(self.reach * _AROUND)))
                qpos = qpos.at[at : at + 2].add(place).at[at + 2].add(highest)
        return qpos, qvel


class JointReset(AbstractReset):
    """Hinges and slides by name, evenly from ranges; the rest is at the home pose and at rest.

    Args:
        robot: whose joints they are, with or without an actuator.
        positions: by joint, its lowest and highest first position, rad or m.
        velocities: by joint, its lowest and highest first velocity, rad/s or m/s; 0 where none is given.

    Raises:
        WildRobotError: the robot has no such hinge or slide.
    """

    positions: Float[Array, "positions 2"]  # rad or m
    velocities: Float[Array, "velocities 2"]  # rad/s or m/s
    home_qpos: Float[Array, " nq"]
    nv: int = eqx.field(static=True)
    qpos_addresses: tuple[int, ...] = eqx.field(static=True)
    dof_addresses: tuple[int, ...] = eqx.field(static=True)

    def __init__(
        self,
        robot: Robot,
        positions: Mapping[str, tuple[float, float]],
        velocities: Mapping[str, tuple[float, float]] | None = None,
    ):
        moving = velocities or {}
        self.qpos_addresses, _ = joint_addresses(robot, tuple(positions), "JointReset")
        _, self.dof_addresses = joint_addresses(robot, tuple(moving), "JointReset")
        self.positions = f32(np.array(list(positions.values()))).reshape(len(positions), 2)
        self.velocities = f32(np.array(list(moving.values()))).reshape(len(moving), 2)
        self.home_qpos, self.nv = robot.home_qpos, robot.nv

    def __call__(
        self, key: PRNGKeyArray, commands: Mapping[str, Any]
    ) -> tuple[Float[Array, " nq"], Float[Array, " nv"]]:
        key_position, key_velocity = jax.random.split(key)
        position = _between(key_position, self.positions)
        velocity = _between(key_velocity, self.velocities)
        qpos = self.home_qpos.at[np.array(self.qpos_addresses, int)].set(position)
        return qpos, jnp.zeros((self.nv,), jnp.float32).at[np.array(self.dof_addresses, int)].set(velocity)


def _between(key: PRNGKeyArray, bounds: Float[Array, "n 2"]) -> Float[Array, " n"]:
    low, high = bounds.T
    return low + (high - low) * jax.random.uniform(key, low.shape, jnp.float32)


class MixedReset(AbstractReset):
    """One of two resets, drawn for each episode: `second` with a given probability.

    Args:
        first: the one.
        second: the other.
        probability: of `second`.
    """

    first: AbstractReset
    second: AbstractReset
    probability: Float[Array, ""]

    def __init__(self, first: AbstractReset, second: AbstractReset, probability: float | Float[Array, ""] = 0.5):
        self.first, self.second, self.probability = first, second, f32(probability)

    def __call__(
        self, key: PRNGKeyArray, commands: Mapping[str, Any]
    ) -> tuple[Float[Array, " nq"], Float[Array, " nv"]]:
        key_which, key_first, key_second = jax.random.split(key, 3)
        other = jax.random.uniform(key_which) < self.probability
        qpos, qvel = self.first(key_first, commands)
        other_qpos, other_qvel = self.second(key_second, commands)
        return jnp.where(other, other_qpos, qpos), jnp.where(other, other_qvel, qvel)
