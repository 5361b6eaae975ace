"""Randomisers of the domain parameters: each a function `(key, params) -> params`."""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..arrays import f32
from .params import PhysicsParams


class AbstractRandomiser(eqx.Module):
    """Draws new domain parameters for one episode of one env; ranges are array leaves."""

    @abc.abstractmethod
    def __call__(self, key: PRNGKeyArray, params: PhysicsParams) -> PhysicsParams:
        """The drawn parameters; fields that it does not vary pass through."""


def _uniform(key: PRNGKeyArray, bounds: Float[Array, " 2"], shape: tuple[int, ...] = ()) -> Float[Array, "*shape"]:
    return jax.random.uniform(key, shape, jnp.float32, bounds[0], bounds[1])


class ScaleMass(AbstractRandomiser):
    """Scales each body's mass and inertia together by one factor per body, so that density stays physical."""

    range: Float[Array, " 2"] = eqx.field(default=(0.9, 1.1), converter=f32)

    def __call__(self, key: PRNGKeyArray, params: PhysicsParams) -> PhysicsParams:
        factor = _uniform(key, self.range, params.body_mass.shape)
        return eqx.tree_at(
            lambda p: (p.body_mass, p.body_inertia),
            params,
            (params.body_mass * factor, params.body_inertia * factor[:, None]),
        )


class ScaleFriction(AbstractRandomiser):
    """Scales the sliding friction of every geom by one factor."""

    range: Float[Array, " 2"] = eqx.field(default=(0.6, 1.2), converter=f32)

    def __call__(self, key: PRNGKeyArray, params: PhysicsParams) -> PhysicsParams:
        friction = params.geom_friction.at[:, 0].multiply(_uniform(key, self.range))
        return eqx.tree_at(lambda p: p.geom_friction, params, friction)


class ScaleGains(AbstractRandomiser):
    """Scales each position servo's stiffness and damping together by one factor per actuator."""

    range: Float[Array, " 2"] = eqx.field(default=(0.9, 1.1), converter=f32)

    def __call__(self, key: PRNGKeyArray, params: PhysicsParams) -> PhysicsParams:
        factor = _uniform(key, self.range, params.actuator_gainprm.shape[:1])[:, None]
        return eqx.tree_at(
            lambda p: (p.actuator_gainprm, p.actuator_biasprm),
            params,
            (params.actuator_gainprm * factor, params.actuator_biasprm * factor),
        )
