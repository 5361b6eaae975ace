"""Terminations: when an episode has failed (running out of time is a truncation, and the env's own)."""

import abc

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ..observe import Signals
from ..robots import Ground, Robot, above


class AbstractTermination(eqx.Module):
    """One named way to fail."""

    @abc.abstractmethod
    def __call__(self, signals: Signals) -> Bool[Array, ""]:
        """True once the episode has failed."""


class Fallen(AbstractTermination):
    """The base is too low or tilts too far; a state that is not finite counts as fallen, too.

    On a `ground` (`robots.on_ground`) it is low above the ground below it.
    """

    body: int = eqx.field(static=True)
    min_height: Float[Array, ""]  # m
    max_tilt: Float[Array, ""]  # rad
    ground: Ground | None

    def __init__(self, robot: Robot, max_tilt: float = 0.8, ground: Ground | None = None):
        self.ground = ground
        self.body = robot.need("base", type(self).__name__).body
        self.min_height = robot.need("min_root_height", type(self).__name__)
        self.max_tilt = jnp.asarray(max_tilt, jnp.float32)

    def __call__(self, signals: Signals) -> Bool[Array, ""]:
        _, x, y, _ = signals.physics.xquat[self.body]
        up = 1.0 - 2.0 * (x * x + y * y)
        height = above(self.ground, signals.physics.xpos[self.body])
        standing = (height > self.min_height) & (up > jnp.cos(self.max_tilt))
        return ~standing
