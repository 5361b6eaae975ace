"""Randomisers of joints and their servos: a factor per servo for gains and torque, per joint for the rest."""

import equinox as eqx
from jaxtyping import Array, Float, PRNGKeyArray

from ...arrays import Pair, f32, uniform
from ..params import PhysicsParams
from .base import AbstractRandomiser


class ScaleGains(AbstractRandomiser):
    """Scales each position servo's stiffness and damping together by one factor per actuator."""

    range: Float[Array, " 2"]

    def __init__(self, range: Pair = (0.9, 1.1)):
        self.range = f32(range)

    def __call__(self, key: PRNGKeyArray, params: PhysicsParams) -> PhysicsParams:
        factor = uniform(key, self.range, params.actuator_gainprm.shape[:1])[:, None]
        return eqx.tree_at(
            lambda p: (p.actuator_gainprm, p.actuator_biasprm),
            params,
            (params.actuator_gainprm * factor, params.actuator_biasprm * factor),
        )


class ScaleStrength(AbstractRandomiser):
    """Scales each servo's torque limit. For a motor's whole torque-speed line, take `DCMotor`'s strength instead."""

    range: Float[Array, " 2"]

    def __init__(self, range: Pair = (0.8, 1.1)):
        self.range = f32(range)

    def __call__(self, key: PRNGKeyArray, params: PhysicsParams) -> PhysicsParams:
        factor = uniform(key, self.range, params.actuator_forcerange.shape[:1])[:, None]
        return eqx.tree_at(lambda p: p.actuator_forcerange, params, params.actuator_forcerange * factor)


class ScaleArmature(AbstractRandomiser):
    """Scales the inertia of motor and gears (`dof_armature`) by one factor per degree of freedom."""

    range: Float[Array, " 2"]

    def __init__(self, range: Pair = (0.8, 1.2)):
        self.range = f32(range)

    def __call__(self, key: PRNGKeyArray, params: PhysicsParams) -> PhysicsParams:
        factor = uniform(key, self.range, params.dof_armature.shape)
        return eqx.tree_at(lambda p: p.dof_armature, params, params.dof_armature * factor)


class ScaleDamping(AbstractRandomiser):
    """Scales the viscous friction (`dof_damping`) by one factor per degree of freedom."""

    range: Float[Array, " 2"]

    def __init__(self, range: Pair = (0.7, 1.3)):
        self.range = f32(range)

    def __call__(self, key: PRNGKeyArray, params: PhysicsParams) -> PhysicsParams:
        factor = uniform(key, self.range, params.dof_damping.shape)
        return eqx.tree_at(lambda p: p.dof_damping, params, params.dof_damping * factor)


class ScaleFrictionLoss(AbstractRandomiser):
    """Scales the dry friction (`dof_frictionloss`) by one factor per degree of freedom.

    A joint without dry friction in its MJCF gets none: any factor of nothing is nothing.
    """

    range: Float[Array, " 2"]

    def __init__(self, range: Pair = (0.5, 2.0)):
        self.range = f32(range)

    def __call__(self, key: PRNGKeyArray, params: PhysicsParams) -> PhysicsParams:
        factor = uniform(key, self.range, params.dof_frictionloss.shape)
        return eqx.tree_at(lambda p: p.dof_frictionloss, params, params.dof_frictionloss * factor)
