"""Reaching: a site of the robot against the place that a command asks for."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ..arrays import Number, f32
from ..observe import Signals
from ..robots import Robot, site_of
from .goals import AbstractGoal
from .point import PointState
from .posture import kernel
from .rewards import AbstractStatelessReward


def _distance(signals: Signals, site: int, command: str, asker: object) -> Float[Array, ""]:
    """Of a site from the place that is asked for, m, along the coordinates that the command has."""
    point = signals.command(command, PointState, asker).point
    return jnp.sqrt(jnp.sum(jnp.square(signals.physics.site_xpos[site, : point.shape[0]] - point)))


class SiteDistance(AbstractStatelessReward):
    """Distance of a site from the place that a `PointCommand` asks for, m.

    Args:
        robot: whose site it is.
        site: its name in the MJCF.
        command: name of the PointCommand in the env.
        weight: per metre and second.
    """

    site: int = eqx.field(static=True)
    command: str = eqx.field(static=True)
    weight: Float[Array, ""]

    def __init__(self, robot: Robot, site: str, command: str, weight: Number = -1.0):
        self.site, self.command, self.weight = site_of(robot, site, "SiteDistance"), command, f32(weight)

    def __call__(self, signals: Signals) -> Float[Array, ""]:
        return _distance(signals, self.site, self.command, self)


class SiteNear(AbstractStatelessReward):
    """Peak 1 with a site at the place that a `PointCommand` asks for, 1/e at the distance `width`.

    Args:
        robot: whose site it is.
        site: its name in the MJCF.
        command: name of the PointCommand in the env.
        width: of the peak, m.
        weight: per second.
    """

    site: int = eqx.field(static=True)
    command: str = eqx.field(static=True)
    weight: Float[Array, ""]
    width: Float[Array, ""]  # m

    def __init__(self, robot: Robot, site: str, command: str, width: Number, weight: Number = 1.0):
        self.site, self.command = site_of(robot, site, "SiteNear"), command
        self.weight, self.width = f32(weight), f32(width)

    def __call__(self, signals: Signals) -> Float[Array, ""]:
        return kernel(_distance(signals, self.site, self.command, self), self.width)


class SiteAt(AbstractGoal):
    """A site is within `tolerance` (m) of the place that a `PointCommand` asks for.

    Args:
        robot: whose site it is.
        site: its name in the MJCF.
        command: name of the PointCommand in the env.
        tolerance: m.
    """

    site: int = eqx.field(static=True)
    command: str = eqx.field(static=True)
    tolerance: Float[Array, ""]  # m

    def __init__(self, robot: Robot, site: str, command: str, tolerance: Number):
        self.site, self.command, self.tolerance = site_of(robot, site, "SiteAt"), command, f32(tolerance)

    def __call__(self, signals: Signals) -> Bool[Array, ""]:
        return _distance(signals, self.site, self.command, self) <= self.tolerance
