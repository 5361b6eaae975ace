"""Observation terms of walking."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..observe import AbstractStatelessTerm, Signals
from ..robots import Mirror, Robot, Sensor
from .velocity import VelocityState


class BaseLinearVelocity(AbstractStatelessTerm):
    """True velocity of the base in the commanded heading's frame (simulation only)."""

    linvel: Sensor
    command: str = eqx.field(static=True)
    unit = "m/s"
    frame = "heading"
    size = 3
    measurable = False

    def __init__(self, robot: Robot, command: str = "velocity"):
        self.linvel, self.command = robot.need("base.linvel", type(self).__name__), command

    @property
    def mirror(self) -> Mirror:
        return Mirror((0, 1, 2), (1.0, -1.0, 1.0))

    @property
    def source(self) -> str:
        return self.linvel.name

    def __call__(self, signals: Signals) -> Float[Array, " 3"]:
        velocity = signals.command(self.command, VelocityState, self)
        return velocity.heading_frame(self.linvel.read(signals.physics.sensordata))


class FloorTilt(AbstractStatelessTerm):
    """Where gravity pulls along the floor, as a share of it: the slope's sine, forward and left."""

    command: str = eqx.field(static=True)
    unit = "1"
    frame = "heading"
    size = 2
    measurable = False

    def __init__(self, command: str = "velocity"):
        self.command = command

    @property
    def mirror(self) -> Mirror:
        return Mirror((0, 1), (1.0, -1.0))

    @property
    def source(self) -> str:
        return "params, gravity"

    def __call__(self, signals: Signals) -> Float[Array, " 2"]:
        gravity = signals.params_for(self).gravity
        velocity = signals.command(self.command, VelocityState, self)
        return velocity.heading_frame(gravity / jnp.linalg.norm(gravity))[:2]
