"""The push of the ladder: one per episode, of an impulse and a duration that are aimed, kicks included."""

import dataclasses

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ...arrays import f32
from ...env import EnvState
from ...physics import PhysicsParams, PhysicsState
from ...physics.mujoco_tools.kinematics import base_translation
from ...robots import Robot
from ...task import AbstractEvent

NAME = "ladder"


class TimedPushState(eqx.Module):
    """A push that is on, if `left` is positive, or a kick to come, if `velocity` is not zero."""

    velocity: Float[Array, "*batch 3"]  # m/s, world frame: of a kick, given at once
    acceleration: Float[Array, "*batch 3"]  # m/s^2, world frame: of a push
    left: Float[Array, "*batch"]  # s, for which it still lasts


class TimedPush(AbstractEvent):
    """Gives the robot the kick or the push in its state, beginning with the next control step; drawn, that is none.

    A push is spread over the bodies by their masses, as by the event `Push`: a change of
    gravity for as long as it lasts, its last control step by the fraction that it still lasts.
    """

    dofs: Float[Array, "nv 3"]

    def __init__(self, robot: Robot):
        self.dofs = f32(base_translation(robot))

    def init(self, key: PRNGKeyArray, dt: float) -> TimedPushState:
        zero = jnp.zeros((3,), jnp.float32)
        return TimedPushState(zero, zero, jnp.zeros((), jnp.float32))

    def __call__(
        self, key: PRNGKeyArray, state: TimedPushState, physics: PhysicsState, params: PhysicsParams, dt: float
    ) -> tuple[PhysicsState, PhysicsParams, TimedPushState]:
        fraction = jnp.clip(state.left / dt, 0.0, 1.0)
        physics = dataclasses.replace(physics, qvel=physics.qvel + self.dofs @ state.velocity)
        params = dataclasses.replace(params, gravity=params.gravity + fraction * state.acceleration)
        left = jnp.maximum(state.left - dt, 0.0)
        return physics, params, TimedPushState(jnp.zeros_like(state.velocity), state.acceleration, left)


def aim(state: EnvState, velocity: Float[Array, "n 3"], seconds: Float[Array, " n"]) -> EnvState:
    """A batch whose next control step begins a push.

    Args:
        state: of robots of an env with the event.
        velocity: the impulse over the robot's mass, m/s, world frame.
        seconds: how long it acts; 0 is a kick, at once.
    """
    kick = (seconds == 0.0)[:, None]
    rate = velocity / jnp.maximum(seconds, 1e-6)[:, None]
    push = TimedPushState(jnp.where(kick, velocity, 0.0), jnp.where(kick, 0.0, rate), seconds)
    return eqx.tree_at(lambda s: s.disturbances.events[NAME], state, push)
