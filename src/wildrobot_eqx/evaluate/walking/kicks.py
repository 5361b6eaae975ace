"""Kicks of a gate: one per episode, at a fixed moment, in eight directions about the robot."""

import dataclasses

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ...arrays import f32
from ...env import Disturbances, Env, EnvState
from ...locomotion import velocity_in
from ...physics import PhysicsParams, PhysicsState
from ...physics.mujoco_tools.kinematics import base_translation
from ...robots import Robot
from ...task import AbstractEvent

DIRECTIONS = ("ahead", "ahead_left", "left", "back_left", "back", "back_right", "right", "ahead_right")
"""Where a kick drives the robot: every 45 degrees, counter-clockwise from its heading."""

_NAME = "gate_kick"


class KickState(eqx.Module):
    """A kick to come, or one that has been."""

    velocity: Float[Array, "*batch 3"]  # m/s, world frame
    left: Int[Array, "*batch"]  # control steps until it; negative afterwards


class TimedKick(AbstractEvent):
    """Once, `at` a time, the whole robot gets the velocity in its state in one instant; drawn, that is none."""

    dofs: Float[Array, "nv 3"]
    at: Float[Array, ""]  # s after the start of the episode

    def __init__(self, robot: Robot, at: float):
        self.dofs, self.at = f32(base_translation(robot)), f32(at)

    def init(self, key: PRNGKeyArray, dt: float) -> KickState:
        return KickState(jnp.zeros((3,), jnp.float32), jnp.round(self.at / dt).astype(jnp.int32))

    def __call__(
        self, key: PRNGKeyArray, state: KickState, physics: PhysicsState, params: PhysicsParams, dt: float
    ) -> tuple[PhysicsState, PhysicsParams, KickState]:
        kick = jnp.where(state.left == 0, state.velocity, 0.0)
        physics = dataclasses.replace(physics, qvel=physics.qvel + self.dofs @ kick)
        return physics, params, KickState(state.velocity, state.left - 1)


def with_kicks(env: Env, at: float) -> Env:
    """A judged env in which `aim` can kick, `at` s after the start."""
    kick: dict[str, AbstractEvent] = {_NAME: TimedKick(env.physics.robot, at)}
    disturbances = Disturbances() if env.disturbances is None else env.disturbances
    return dataclasses.replace(env, disturbances=dataclasses.replace(disturbances, events=kick))


def aim(state: EnvState, speeds: tuple[float, ...], episodes: int) -> EnvState:
    """First states whose kicks are aimed.

    Args:
        state: of `len(speeds) * episodes` robots of an env of `with_kicks`, `episodes` per speed.
        speeds: of the kicks, m/s.
        episodes: the i-th of a speed is kicked in the direction i modulo 8, against its own heading.
    """
    speed = jnp.repeat(f32(speeds), episodes)
    angle = (
        jnp.tile(direction_of(episodes), len(speeds)) * (2.0 * jnp.pi / len(DIRECTIONS))
        + velocity_in(state.commands).origin
    )
    velocity = speed[:, None] * jnp.stack([jnp.cos(angle), jnp.sin(angle), jnp.zeros_like(angle)], axis=1)
    return eqx.tree_at(lambda s: s.disturbances.events[_NAME].velocity, state, velocity)


def direction_of(episodes: int) -> Int[Array, " episodes"]:
    """The place in `DIRECTIONS` of each of a speed's episodes."""
    return jnp.arange(episodes, dtype=jnp.int32) % len(DIRECTIONS)
