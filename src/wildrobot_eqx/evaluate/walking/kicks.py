"""Kicks of a gate: one per episode, at a fixed moment, in eight directions about the robot."""

import dataclasses

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ... import rotation
from ...arrays import Number, f32
from ...env import Disturbances, Env
from ...physics import PhysicsParams, PhysicsState
from ...physics.mujoco_tools.kinematics import base_translation
from ...robots import Robot, Sensor
from ...task import AbstractEvent

DIRECTIONS = ("ahead", "ahead_left", "left", "back_left", "back", "back_right", "right", "ahead_right")
"""Where a kick drives the robot: every 45 degrees, counter-clockwise from its heading."""

_NAME = "gate_kick"


class Kick(eqx.Module):
    """How hard and where a robot is kicked."""

    speed: Float[Array, "*batch"]  # m/s
    angle: Float[Array, "*batch"]  # rad, to the left of its heading at the start of the episode


class KickState(eqx.Module):
    """A kick to come, or one that has been."""

    heading: Float[Array, "*batch"]  # rad, world frame, of the robot's first IMU at the start, once it is read
    left: Int[Array, "*batch"]  # control steps until it; negative afterwards


class TimedKick(AbstractEvent):
    """Once, `at` a time, the whole robot gets a velocity in one instant; built, that is none."""

    dofs: Float[Array, "nv 3"]
    quat: Sensor
    at: Float[Array, ""]  # s after the start of the episode
    kick: Kick

    def __init__(self, robot: Robot, at: Number):
        self.dofs, self.quat, self.at = f32(base_translation(robot)), robot.imu().quat, f32(at)
        self.kick = Kick(f32(0.0), f32(0.0))

    def init(self, key: PRNGKeyArray, dt: float) -> KickState:
        return KickState(f32(0.0), self._steps(dt))

    def __call__(
        self, key: PRNGKeyArray, state: KickState, physics: PhysicsState, params: PhysicsParams, dt: float
    ) -> tuple[PhysicsState, PhysicsParams, KickState]:
        now = rotation.yaw(self.quat.read(physics.sensordata))
        heading = jnp.where(state.left == self._steps(dt), now, state.heading)
        angle = heading + self.kick.angle
        velocity = self.kick.speed * jnp.stack([jnp.cos(angle), jnp.sin(angle), jnp.zeros_like(angle)])
        impulse = jnp.where(state.left == 0, velocity, 0.0)
        physics = dataclasses.replace(physics, qvel=physics.qvel + self.dofs @ impulse)
        return physics, params, KickState(heading, state.left - 1)

    def _steps(self, dt: float) -> Int[Array, ""]:
        return jnp.round(self.at / dt).astype(jnp.int32)


def with_kicks(env: Env, at: float) -> Env:
    """A judged env in which a robot can be `kicked`, `at` s after the start."""
    kick: dict[str, AbstractEvent] = {_NAME: TimedKick(env.physics.robot, at)}
    disturbances = Disturbances() if env.disturbances is None else env.disturbances
    return dataclasses.replace(env, disturbances=dataclasses.replace(disturbances, events=kick))


def kicked(env: Env, kick: Kick) -> Env:
    """The env of `with_kicks` whose robot gets this kick; only array leaves differ."""
    return eqx.tree_at(lambda e: e.disturbances.events[_NAME].kick, env, kick)


def aim(speeds: tuple[float, ...], episodes: int) -> Kick:
    """The kicks of `len(speeds) * episodes` robots, `episodes` per speed (m/s).

    The i-th of a speed is kicked in the direction i modulo 8, against its own heading.
    """
    angle = direction_of(episodes) * (2.0 * jnp.pi / len(DIRECTIONS))
    return Kick(jnp.repeat(f32(speeds), episodes), jnp.tile(f32(angle), len(speeds)))


def direction_of(episodes: int) -> Int[Array, " episodes"]:
    """The place in `DIRECTIONS` of each of a speed's episodes."""
    return jnp.arange(episodes, dtype=jnp.int32) % len(DIRECTIONS)
