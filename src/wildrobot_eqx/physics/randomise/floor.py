"""Randomisers of what is around the robot: the floor's grip and its level."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ...arrays import Pair, f32, uniform
from ..params import PhysicsParams
from .base import AbstractRandomiser


class ScaleFriction(AbstractRandomiser):
    """Scales the sliding friction of every geom, and of every contact `<pair>`, by one factor."""

    range: Float[Array, " 2"]

    def __init__(self, range: Pair = (0.6, 1.2)):
        self.range = f32(range)

    def __call__(self, key: PRNGKeyArray, params: PhysicsParams) -> PhysicsParams:
        factor = uniform(key, self.range)
        return eqx.tree_at(
            lambda p: (p.geom_friction, p.pair_friction),
            params,
            (params.geom_friction.at[:, 0].multiply(factor), params.pair_friction.at[:, :2].multiply(factor)),
        )


class TiltGravity(AbstractRandomiser):
    """Leans gravity by an angle from its range towards any side: a floor out of level, as an endless even slope.

    The world's z axis stays the floor's normal: heights and tilts are measured against the
    floor, and an orientation sensor reads the tilt against it, not against the true vertical.
    """

    angle: Float[Array, " 2"]  # rad

    def __init__(self, angle: Pair = (0.0, 0.035)):
        self.angle = f32(angle)

    def __call__(self, key: PRNGKeyArray, params: PhysicsParams) -> PhysicsParams:
        key_angle, key_side = jax.random.split(key)
        angle = uniform(key_angle, self.angle)
        side = jax.random.uniform(key_side, (), jnp.float32, -jnp.pi, jnp.pi)
        strength = jnp.linalg.norm(params.gravity)
        lean = jnp.stack([jnp.sin(angle) * jnp.cos(side), jnp.sin(angle) * jnp.sin(side), -jnp.cos(angle)])
        return eqx.tree_at(lambda p: p.gravity, params, strength * lean)
