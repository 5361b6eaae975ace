"""A command that asks for a place: a point in a box or in a ring, in the world."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ..arrays import Number, Numbers, Pair, f32
from ..errors import WildRobotError
from ..observe import Channel
from ..physics import PhysicsState
from .commands import AbstractCommand

_CHANNELS = (Channel("x", "m", 1.0), Channel("y", "m", -1.0), Channel("z", "m", 1.0))


class PointState(eqx.Module):
    """The place that is asked for."""

    point: Float[Array, " n"]  # m, world frame


class PointCommand(AbstractCommand):
    """A place, drawn evenly over a box, or over a ring about the vertical, redrawn about every `interval` seconds.

    Args:
        centre: of the box or the ring: x and y, or x, y and z, m.
        half: half the sides of the box, m; None: no box.
        radius: inner and outer radius of the ring, m; None: no ring.
        angle: from which to which angle about the z axis the ring goes, rad from the x axis.
        interval: mean time between redraws, s; infinite: one place for each episode.

    Raises:
        WildRobotError: the sizes do not fit each other.
    """

    centre: Float[Array, " n"]  # m
    half: Float[Array, " n"]  # m
    radius: Float[Array, " 2"]  # m
    angle: Float[Array, " 2"]  # rad
    interval: Float[Array, ""]  # s

    def __init__(
        self,
        centre: Numbers = (0.0, 0.0),
        half: Numbers | None = None,
        radius: Pair | None = None,
        angle: Pair = (-np.pi, np.pi),
        interval: Number = np.inf,
    ):
        n = len(centre)
        if n not in (2, 3) or (half is not None and len(half) != n):
            raise WildRobotError(
                f"A place has 2 or 3 coordinates; got {n} of the centre, {n if half is None else len(half)} of half.",
                where="PointCommand, centre and half",
                hint="give x and y, or x, y and z, to both",
            )
        if radius is not None and not 0.0 <= radius[0] <= radius[1]:
            raise WildRobotError(
                f"A ring goes from its inner to its outer radius, got {radius}.",
                where="PointCommand, radius",
                hint="such as radius=(0.1, 0.2)",
            )
        self.centre = f32(centre)
        self.half = jnp.zeros((n,), jnp.float32) if half is None else f32(half)
        self.radius = jnp.zeros((2,), jnp.float32) if radius is None else f32(radius)
        self.angle, self.interval = f32(angle), f32(interval)

    @property
    def channels(self) -> tuple[Channel, ...]:
        """x and y, or x, y and z, m."""
        return _CHANNELS[: self.centre.shape[0]]

    @property
    def observed(self) -> tuple[Channel, ...]:
        """The same."""
        return self.channels

    @property
    def needs(self) -> tuple[str, ...]:
        """It reads no other command."""
        return ()

    def bounds(self) -> Float[Array, "channels 2"]:
        """The box about all places."""
        ring = jnp.zeros_like(self.half).at[:2].set(self.radius[1])
        return jnp.stack([self.centre - self.half - ring, self.centre + self.half + ring], axis=1)

    def sample(self, key: PRNGKeyArray) -> PointState:
        key_box, key_radius, key_angle = jax.random.split(key, 3)
        box = self.half * jax.random.uniform(key_box, self.half.shape, jnp.float32, -1.0, 1.0)
        inner, outer = jnp.square(self.radius)
        radius = jnp.sqrt(inner + (outer - inner) * jax.random.uniform(key_radius))  # evenly over the area
        angle = self.angle[0] + (self.angle[1] - self.angle[0]) * jax.random.uniform(key_angle)
        ring = jnp.zeros_like(self.half).at[:2].set(radius * jnp.stack([jnp.cos(angle), jnp.sin(angle)]))
        return PointState(self.centre + box + ring)

    def start(self, state: PointState, physics: PhysicsState, others: Mapping[str, Any]) -> PointState:
        return state

    def step(
        self, key: PRNGKeyArray, state: PointState, physics: PhysicsState, dt: float, others: Mapping[str, Any]
    ) -> PointState:
        key_when, key_where = jax.random.split(key)
        redraw = jax.random.uniform(key_when) < dt / self.interval
        return PointState(jnp.where(redraw, self.sample(key_where).point, state.point))

    def observe(self, state: PointState) -> Float[Array, " observed"]:
        return state.point

    def hold(self, value: Float[Array, " channels"]) -> "PointCommand":
        zeros = (value, jnp.zeros_like(self.half), jnp.zeros_like(self.radius))
        return eqx.tree_at(lambda c: (c.centre, c.half, c.radius), self, zeros)

    def set(self, state: PointState, value: Float[Array, " channels"]) -> PointState:
        return PointState(value)

    def asked(self, state: PointState) -> Float[Array, " channels"]:
        return state.point

    def metrics(self, state: PointState, physics: PhysicsState) -> dict[str, Float[Array, ""]]:
        return {}

    def constants(self) -> dict[str, Float[Array, ""]]:
        return {}


def points_in(states: Mapping[str, Any]) -> Float[Array, "points 3"]:
    """The places that an env's commands ask for, m, world frame, for films to mark; z is NaN where it is free."""
    points = [state.point for _, state in sorted(states.items()) if isinstance(state, PointState)]
    padded = [jnp.concatenate([point, jnp.full((3 - point.shape[0],), jnp.nan, jnp.float32)]) for point in points]
    return jnp.stack(padded) if padded else jnp.zeros((0, 3), jnp.float32)
