"""Events during an episode, such as pushes. Each has a state of its own, drawn per episode."""

import abc
import dataclasses
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..arrays import Number, Pair, f32, uniform
from ..module import AbstractModule
from ..physics import PhysicsParams, PhysicsState
from ..physics.mujoco_tools.kinematics import base_translation
from ..protocol import Call, Protocol
from ..robots import Robot


class AbstractEvent(AbstractModule):
    """Something that happens before a control step, to the physics' state or to its parameters for that step only.

    One that may write dry friction to a joint without any in the model says so by `adds_frictionloss`.
    """

    protocol: ClassVar[Protocol] = (
        Call("init", ("key", "dt"), ("state",)),
        Call("__call__", ("key", "state", "physics", "params", "dt"), ("physics", "params", "state")),
    )

    adds_frictionloss: ClassVar[bool] = False

    @abc.abstractmethod
    def init(self, key: PRNGKeyArray, dt: float) -> Any:
        """The state at the start of an episode; `dt` (s) is the control period."""

    @abc.abstractmethod
    def __call__(
        self, key: PRNGKeyArray, state: Any, physics: PhysicsState, params: PhysicsParams, dt: float
    ) -> tuple[PhysicsState, PhysicsParams, Any]:
        """Physics and parameters for the coming control step, and the next state."""


def _direction(key: PRNGKeyArray) -> Float[Array, " 3"]:
    angle = jax.random.uniform(key, (), jnp.float32, -jnp.pi, jnp.pi)
    return jnp.stack([jnp.cos(angle), jnp.sin(angle), jnp.zeros_like(angle)])


class VelocityKick(AbstractEvent):
    """Now and then the whole robot gets a horizontal velocity in one instant, in any direction.

    The impulse is the kick times the robot's mass. A planar robot takes the part in its plane.
    """

    dofs: Float[Array, "nv 3"]
    speed: Float[Array, " 2"]  # m/s, range
    interval: Float[Array, ""]  # s, mean time between kicks

    def __init__(self, robot: Robot, speed: Pair = (0.0, 0.3), interval: Number = 3.0):
        self.dofs, self.speed, self.interval = f32(base_translation(robot)), f32(speed), f32(interval)

    def init(self, key: PRNGKeyArray, dt: float) -> tuple[()]:
        return ()

    def __call__(
        self, key: PRNGKeyArray, state: tuple[()], physics: PhysicsState, params: PhysicsParams, dt: float
    ) -> tuple[PhysicsState, PhysicsParams, tuple[()]]:
        key_when, key_speed, key_direction = jax.random.split(key, 3)
        now = (jax.random.uniform(key_when) < dt / self.interval).astype(jnp.float32)
        kick = now * uniform(key_speed, self.speed) * _direction(key_direction)
        return dataclasses.replace(physics, qvel=physics.qvel + self.dofs @ kick), params, state


class PushState(eqx.Module):
    """The push that is on, or the last one."""

    acceleration: Float[Array, " 3"]  # m/s^2, world frame
    left: Float[Array, ""]  # s, for which it still lasts


class Push(AbstractEvent):
    """Now and then a horizontal force acts for a while, in any direction, spread over the bodies by their masses.

    Such a force is to a robot what a change of gravity is: each body of mass m gets m a, and
    so does the whole, F = M a. That is how it is applied, `gravity + F / M` for as long as it
    lasts, so every engine has it in every substep; against MuJoCo's `xfrc_applied` on every
    body it is exact. What differs from a hand on the torso: joints between the bodies are
    not loaded by it, and an accelerometer does not feel it, as it does not feel gravity.
    Within a control step a push that ends is weighted by the fraction that it still lasts.

    Args:
        force: range of the force, N.
        duration: range of the time for which it acts, s.
        interval: mean time between the starts of pushes, s; one begins only after another.
    """

    force: Float[Array, " 2"]  # N
    duration: Float[Array, " 2"]  # s
    interval: Float[Array, ""]  # s

    def __init__(
        self,
        force: Pair = (0.0, 10.0),
        duration: Pair = (0.05, 0.3),
        interval: Number = 3.0,
    ):
        self.force, self.duration, self.interval = f32(force), f32(duration), f32(interval)

    def init(self, key: PRNGKeyArray, dt: float) -> PushState:
        return PushState(jnp.zeros((3,), jnp.float32), jnp.zeros((), jnp.float32))

    def __call__(
        self, key: PRNGKeyArray, state: PushState, physics: PhysicsState, params: PhysicsParams, dt: float
    ) -> tuple[PhysicsState, PhysicsParams, PushState]:
        key_when, key_force, key_direction, key_duration = jax.random.split(key, 4)
        begins = (jax.random.uniform(key_when) < dt / self.interval) & (state.left <= 0.0)
        drawn = uniform(key_force, self.force) / jnp.sum(params.body_mass) * _direction(key_direction)
        acceleration = jnp.where(begins, drawn, state.acceleration)
        left = jnp.where(begins, uniform(key_duration, self.duration), state.left)
        fraction = jnp.clip(left / dt, 0.0, 1.0)
        params = dataclasses.replace(params, gravity=params.gravity + fraction * acceleration)
        return physics, params, PushState(acceleration, jnp.maximum(left - dt, 0.0))
