"""Randomisers of bodies: mass, inertia and centre of mass, such that a body could have them."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ... import rotation
from ...arrays import Numbers, Pair, f32, uniform
from ...errors import WildRobotError, nearest
from ...robots import Robot
from ..params import PhysicsParams
from .base import AbstractRandomiser


class ScaleMass(AbstractRandomiser):
    """Scales each body's mass and inertia together by one factor per body, so that density stays physical."""

    range: Float[Array, " 2"]

    def __init__(self, range: Pair = (0.9, 1.1)):
        self.range = f32(range)

    def __call__(self, key: PRNGKeyArray, params: PhysicsParams) -> PhysicsParams:
        factor = uniform(key, self.range, params.body_mass.shape)
        return eqx.tree_at(
            lambda p: (p.body_mass, p.body_inertia),
            params,
            (params.body_mass * factor, params.body_inertia * factor[:, None]),
        )


class ScaleInertia(AbstractRandomiser):
    """Scales the three principal moments of each body by one factor per body: the same mass, wider or closer.

    One factor for all three keeps the triangle inequality between them.
    """

    range: Float[Array, " 2"]

    def __init__(self, range: Pair = (0.9, 1.1)):
        self.range = f32(range)

    def __call__(self, key: PRNGKeyArray, params: PhysicsParams) -> PhysicsParams:
        factor = uniform(key, self.range, params.body_mass.shape)
        return eqx.tree_at(lambda p: p.body_inertia, params, params.body_inertia * factor[:, None])


class ShiftCentreOfMass(AbstractRandomiser):
    """Moves the centres of mass of some bodies, or of all that weigh something, by a draw per body and axis.

    The inertia about the centre of mass stays, as that of the same body moved within its
    frame; about the joint it changes with the distance, as it should (Steiner).

    Raises:
        WildRobotError: the robot has no body of a given name.
    """

    bodies: Float[Array, " nbody"]  # 1 for those that are moved
    range: Float[Array, " 2"]  # m

    def __init__(self, robot: Robot, range: Pair = (-0.01, 0.01), bodies: tuple[str, ...] | None = None):
        mass = robot.model.mj.body_mass
        chosen = np.flatnonzero(mass > 0.0) if bodies is None else [body_index(robot, name, self) for name in bodies]
        mask = np.zeros(len(mass))
        mask[chosen] = 1.0
        self.bodies, self.range = f32(mask), f32(range)

    def __call__(self, key: PRNGKeyArray, params: PhysicsParams) -> PhysicsParams:
        shift = uniform(key, self.range, params.body_ipos.shape)
        return eqx.tree_at(lambda p: p.body_ipos, params, params.body_ipos + self.bodies[:, None] * shift)


class Payload(AbstractRandomiser):
    """A point mass fixed to a body, of a mass and at a place drawn per episode.

    Of body M at c and load m at p, with d = p - c and mu = M m / (M + m): the mass is M + m,
    the centre of mass c + m / (M + m) d, and the inertia about it I + mu (|d|^2 1 - d d^T).
    Of that matrix the moments about the body's own principal axes are kept and the products
    are dropped, since `PhysicsParams` holds no axes; the diagonal of a body's inertia is
    that of a body, too.

    Raises:
        WildRobotError: the robot has no such body.
    """

    body: int = eqx.field(static=True)
    axes: Float[Array, " 4"]  # wxyz, of the body's principal axes in its frame
    mass: Float[Array, " 2"]  # kg
    low: Float[Array, " 3"]  # m, in the body's frame
    high: Float[Array, " 3"]  # m

    def __init__(
        self,
        robot: Robot,
        mass: Pair = (0.0, 0.3),
        body: str | None = None,
        low: Numbers = (-0.03, -0.03, 0.0),
        high: Numbers = (0.03, 0.03, 0.06),
    ):
        self.body = robot.need("base", "Payload").body if body is None else body_index(robot, body, self)
        self.axes = f32(robot.model.mj.body_iquat[self.body])
        self.mass, self.low, self.high = f32(mass), f32(low), f32(high)

    def __call__(self, key: PRNGKeyArray, params: PhysicsParams) -> PhysicsParams:
        key_mass, key_place = jax.random.split(key)
        load = uniform(key_mass, self.mass)
        place = self.low + (self.high - self.low) * jax.random.uniform(key_place, (3,), jnp.float32)
        own, centre = params.body_mass[self.body], params.body_ipos[self.body]
        arm = place - centre
        along = rotation.rotate_inverse(self.axes, arm)
        steiner = own * load / (own + load) * (jnp.sum(jnp.square(arm)) - jnp.square(along))
        return eqx.tree_at(
            lambda p: (p.body_mass, p.body_ipos, p.body_inertia),
            params,
            (
                params.body_mass.at[self.body].add(load),
                params.body_ipos.at[self.body].add(load / (own + load) * arm),
                params.body_inertia.at[self.body].add(steiner),
            ),
        )


def body_index(robot: Robot, name: str, who: AbstractRandomiser) -> int:
    """The index of the body called `name`.

    Raises:
        WildRobotError: the robot has no such body.
    """
    mj = robot.model.mj
    names = {mj.body(i).name: i for i in range(mj.nbody)}
    if name not in names:
        raise WildRobotError(
            f"Robot {robot.name!r} has no body {name!r}.", where=type(who).__name__, hint=nearest(name, names)
        )
    return names[name]
